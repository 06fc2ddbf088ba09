"""Whatever a program of ours says on stderr is said without secrets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import run_command
from tests.support.tree import PROJECT

SECRET = "c4n4ry-admin-key-0123456789"
SETTINGS = {
    "BILLING_ADMIN_KEY": SECRET,
    "STRIPE_WEBHOOK_SECRET": "whsec_c4n4ry0123456789",
    "DATABASE_URL": "postgresql://billing:c4n4ry-password@127.0.0.1:1/none",
}
STATEMENTS = (
    "thread = threading.Thread(target=fail); thread.start(); thread.join()",
    "log(structlog.get_logger().error)",
    "log(logging.getLogger('uvicorn.error').error)",
    "structlog.get_logger().info('x', nested={'a': [secret, {'password': 'c4n4ry'}]})",
    "logging.getLogger('a').warning('%s %r', secret, [secret])",
    "asyncio.run(forget())",
    "warnings.warn(secret)",
    "print(secret, file=sys.stderr)",
    "sys.stderr.write(secret)",
)
PROGRAM = """
import asyncio, logging, sys, threading, warnings
import structlog
from exporter.cli.context import read_settings
from exporter.cli.logs import configure

settings = read_settings()
configure(settings)
secret = settings.admin_key.reveal()

def fail():
    raise ValueError(f"it was {secret} and {settings.database_url.reveal()}")

def log(logger):
    try:
        fail()
    except ValueError:
        logger("it failed with %s" % secret, exc_info=True)

async def forget():
    asyncio.get_running_loop().call_exception_handler({"message": secret})

for statement in sys.argv[1:]:
    exec(statement)
    print("\\n-- next --", file=sys.stderr, flush=True)
LAST
"""


@pytest.mark.parametrize(
    ("form", "last"), [("json", "fail()"), ("console", "fail()"), ("json", "sys.exit(secret)")]
)
def test_no_way_of_saying_it_says_a_secret(tmp_path: Path, form: str, last: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("LAST", last), *STATEMENTS],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "BILLING_LOG_FORMAT": form,
            **SETTINGS,
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    ).stderr
    parts = said.split("-- next --")
    assert len(parts) == len(STATEMENTS) + 1
    assert [part for part in parts if "[redacted]" not in part] == []
    assert "c4n4ry" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor", "--password=c4n4ry-password"),
        ("erase", "--token=c4n4ry-admin-key-0123456789"),
        ("sk_live_c4n4ry0123456789",),
        ("simulate", "--url", "http://admin:c4n4ry-password@127.0.0.1:1", "--yes"),
    ],
)
def test_a_command_that_is_used_wrongly_repeats_no_secret(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    answer = run_command(tmp_path, SETTINGS, *arguments)
    assert answer.returncode in (1, 2)
    assert "Traceback" not in answer.stderr
    assert "c4n4ry" not in answer.stdout + answer.stderr
