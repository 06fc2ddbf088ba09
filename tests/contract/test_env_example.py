"""`.env.example`: what may be set, what took another's place, and that it works as it is."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from exporter.settings import SETTINGS, load
from tests.support.postgres import reachable_folder
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

EXAMPLE = PROJECT / ".env.example"
# What billing monitors of this kind are set up with.
COMMON = (
    "CUSTOM_WEBHOOKS",
    "DEBUG",
    "EMAIL_API_KEY",
    "ENABLE_EMAIL_ALERTS",
    "ENABLE_SLACK_ALERTS",
    "FROM_EMAIL",
    "GRAFANA_TOKEN",
    "HEALTH_CHECK_INTERVAL",
    "NEXT_PUBLIC_SUPABASE_URL",
    "NODE_ENV",
    "SLACK_CHANNEL",
    "SLACK_WEBHOOK_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "SUPABASE_SERVICE_ROLE_KEY",
)


def known() -> set[str]:
    names = {setting.name for setting in SETTINGS}
    return names | {f"{setting.name}_FILE" for setting in SETTINGS if setting.secret}


def offered(text: str) -> set[str]:
    """The names on lines from which the # may be taken."""
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]*)=", text, re.MULTILINE))


def replaced(text: str) -> set[str]:
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]*): replaced by ", text, re.MULTILINE))


def test_every_name_is_a_setting_or_said_to_be_replaced() -> None:
    text = EXAMPLE.read_text()
    assert offered(text) == known()
    assert not replaced(text) & known()
    words = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text))
    assert words <= known() | replaced(text)
    assert set(COMMON) <= offered(text) | replaced(text)


def test_it_holds_no_secret_and_sets_nothing() -> None:
    lines = EXAMPLE.read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    for value in re.findall(r"^# [A-Z_]+=(.*)$", "\n".join(lines), re.MULTILINE):
        assert not re.search(r"[0-9a-fA-F]{16}|[A-Za-z0-9+/]{40}", value)


def test_its_examples_can_be_taken_as_they_are(tmp_path: Path) -> None:
    examples = re.findall(r"^# ([A-Z_]+=.+)$", EXAMPLE.read_text(), re.MULTILINE)
    taken = [line for line in examples if "/run/secrets/" not in line]
    (tmp_path / ".env").write_text("\n".join(taken))
    settings = load({}, tmp_path)
    assert not settings.development
    assert settings.livemodes == (False,)


def test_a_copy_as_dotenv_starts_the_exporter() -> None:
    with reachable_folder() as folder:
        shutil.copy(EXAMPLE, folder / ".env")
        log = folder / "log"
        with log.open("wb") as shown:
            process = subprocess.Popen(
                [sys.executable, "-m", "exporter", "serve", "--web.listen-address=127.0.0.1:0"],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)},
                stdin=subprocess.DEVNULL,
                stdout=shown,
                stderr=shown,
            )
        try:
            wait_until(lambda: "taking events" in log.read_text(), 60, "it takes events")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, log.read_text()
