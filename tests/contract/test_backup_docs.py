"""The pages about backups and about personal data: every command in them does what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.kept_rows import key_ids
from tests.support.postgres import reachable_folder
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment
from tests.support.tree import PROJECT
from tests.support.writing import ask

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    """The shell blocks of a page."""
    return _BLOCK.findall((PROJECT / "docs" / page).read_text())


def run_shell(folder: Path, process: ExporterProcess, script: str, **settings: str) -> str:
    """What bash writes, which has to end well, with the exporter's settings."""
    programs = Path(sys.executable).parent
    done = subprocess.run(
        ["/bin/bash", "-euc", script],
        cwd=folder,
        env={
            **process.environment,
            "BILLING_LISTEN_ADDRESS": process.url.removeprefix("http://"),
            "PATH": os.pathsep.join((str(programs), os.defpath)),
            **settings,
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_about_backups_is_true() -> None:
    make, pipe, restore = commands("backup.md")
    with reachable_folder() as folder:
        with running_exporter(folder / "data", None) as process:
            process.send_events([payment(), payment()])
            assert "ledger.backup: " in run_shell(folder, process, make)
            checked = (folder / "ledger.backup").stat().st_size
            run_shell(folder, process, pipe)
            assert (folder / "ledger.backup").stat().st_size > checked / 2
            process.stop()
        # Without an exporter the embedded database is started for as long as it takes.
        run_shell(folder, process, "billing-exporter backup --no-check stopped.backup")
        fresh = str(folder / "fresh")
        assert "Restored" in run_shell(folder, process, restore, BILLING_DATA_DIR=fresh)
        with running_exporter(Path(fresh), None) as process:
            assert process.scrape().total("billing_payment_processed_total") == 0
            process.stop()


def test_the_page_about_personal_data_is_true(tmp_path: Path, database_url: str) -> None:
    customer = "cus_NffrFeUfNV2Hib"
    with running_exporter(tmp_path, database_url) as process:
        assert process.send_events(payment(metadata={"customer_id": customer})).ok
        event = fixture("payment_method_attached", customer=customer)
        assert process.send_stripe(event).ok
        told = run_shell(tmp_path, process, "".join(commands("erasure.md")))
        assert "2 rows are now encrypted" in told
        assert "Nothing was erased: this was a dry run." in told
        assert told.endswith("Erased.\n")
        assert key_ids(database_url) == set()
        # The exporter, which has no key, goes on in clear.
        process.send_events(payment())
        assert key_ids(database_url) == {""}
    assert ask(database_url, "SELECT count(*) FROM ledger.stripe_bodies") == [(0,)]
