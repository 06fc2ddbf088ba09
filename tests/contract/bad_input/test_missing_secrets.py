"""Without its secrets the exporter refuses to start, and says why without telling one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
KEY = "canary-admin-key-0123456789"
SECRET = "whsec_canary_0123456789"
URL = "postgresql://billing:canary-password@127.0.0.1:1/none"
STRIPE_KEY = "sk_live_canary_0123456789"
GOOD = {"BILLING_ADMIN_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}

# What is set, and the settings that the refusal names.
SETUPS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "a database and nothing else": (
        {"DATABASE_URL": URL},
        ("BILLING_ADMIN_KEY", "STRIPE_WEBHOOK_SECRET"),
    ),
    "a Stripe key and nothing else": (
        {"STRIPE_SECRET_KEY": STRIPE_KEY},
        ("BILLING_ADMIN_KEY", "STRIPE_WEBHOOK_SECRET"),
    ),
    "no admin key": (
        {"STRIPE_WEBHOOK_SECRET": SECRET, "DATABASE_URL": URL},
        ("BILLING_ADMIN_KEY",),
    ),
    "no webhook secret": (
        {"BILLING_ADMIN_KEY": KEY, "DATABASE_URL": URL},
        ("STRIPE_WEBHOOK_SECRET",),
    ),
    "an empty admin key": ({**GOOD, "BILLING_ADMIN_KEY": ""}, ("BILLING_ADMIN_KEY",)),
    "an admin key of spaces": ({**GOOD, "BILLING_ADMIN_KEY": "  "}, ("BILLING_ADMIN_KEY",)),
    "a short admin key": ({**GOOD, "BILLING_ADMIN_KEY": "canary"}, ("BILLING_ADMIN_KEY",)),
    "an empty webhook secret": ({**GOOD, "STRIPE_WEBHOOK_SECRET": ""}, ("STRIPE_WEBHOOK_SECRET",)),
    "an empty secret among others": (
        {**GOOD, "STRIPE_WEBHOOK_SECRET": f"{SECRET},,{SECRET}"},
        ("STRIPE_WEBHOOK_SECRET",),
    ),
    "only commas as webhook secret": (
        {**GOOD, "STRIPE_WEBHOOK_SECRET": ","},
        ("STRIPE_WEBHOOK_SECRET",),
    ),
    "an empty database": ({**GOOD, "DATABASE_URL": ""}, ("DATABASE_URL",)),
    "an empty Stripe key": ({**GOOD, "STRIPE_SECRET_KEY": ""}, ("STRIPE_SECRET_KEY",)),
    "a database that is no connection string": (
        {**GOOD, "DATABASE_URL": "postgresql://canary:%zz@host"},
        ("DATABASE_URL",),
    ),
    "a secret in place of its file": (
        {"BILLING_ADMIN_KEY_FILE": KEY, "STRIPE_WEBHOOK_SECRET_FILE": SECRET},
        ("BILLING_ADMIN_KEY_FILE", "STRIPE_WEBHOOK_SECRET_FILE"),
    ),
    "an empty file": (
        {"BILLING_ADMIN_KEY_FILE": "/dev/null", "STRIPE_WEBHOOK_SECRET": SECRET},
        ("BILLING_ADMIN_KEY_FILE",),
    ),
    "a value and a file": (
        {**GOOD, "BILLING_ADMIN_KEY_FILE": "/dev/null"},
        ("BILLING_ADMIN_KEY", "BILLING_ADMIN_KEY_FILE"),
    ),
}


def serve(folder: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", "serve"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **settings},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("name", SETUPS)
def test_a_set_up_that_lacks_a_secret_does_not_start(name: str, tmp_path: Path) -> None:
    """Row 6."""
    settings, named = SETUPS[name]
    ended = serve(tmp_path, settings)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert "canary" not in ended.stderr
    for setting in named:
        assert f"{setting} " in ended.stderr or f"{setting}:" in ended.stderr
    assert not list(tmp_path.iterdir()), "nothing may be made before it is known what to run"


def test_a_secret_that_env_files_leave_empty_does_not_start(tmp_path: Path) -> None:
    """Row 6."""
    (tmp_path / ".env").write_text(f"BILLING_ADMIN_KEY=\nSTRIPE_WEBHOOK_SECRET={SECRET}\n")
    ended = serve(tmp_path, {})
    assert ended.returncode == 2
    assert "BILLING_ADMIN_KEY is set and empty" in ended.stderr
    assert "canary" not in ended.stderr
