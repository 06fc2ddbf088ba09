"""SIGHUP: read again, unless it says that the terminal is gone."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.exporter import ADMIN_KEY
from tests.support.stripe import WEBHOOK_SECRET
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

TAKE_TERMINAL = PROJECT / "tests" / "support" / "take_terminal.py"


def test_on_a_terminal_it_reads_again_and_ends_when_that_is_closed(
    tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "admin.key").write_text(ADMIN_KEY)
    settings = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "DATABASE_URL": database_url,
        "BILLING_ADMIN_KEY_FILE": "admin.key",
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "exporter", "serve", "--web.listen-address=127.0.0.1:0"]
    master, slave = pty.openpty()
    # Not read by a thread, which would keep it open.
    os.set_blocking(master, False)
    process = subprocess.Popen(
        [sys.executable, TAKE_TERMINAL, *command],
        cwd=tmp_path,
        env=settings,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    shown = bytearray()

    def shows(text: bytes) -> bool:
        with contextlib.suppress(BlockingIOError):
            shown.extend(os.read(master, 65536))
        return text in shown

    try:
        wait_until(lambda: shows(b"taking events"), 30, "it takes events")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: shows(b"read again"), 10, "it is read again")
        assert process.poll() is None
        os.close(master)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
