"""How many webhooks a second are taken while the ledger is being backed up."""

import statistics
import threading
from urllib.parse import urlsplit

from bench.payloads import ADMIN_KEY
from bench.runner import Sender
from chaos.figures import Result
from chaos.seed import tried
from tests.support.command import run_command
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.outage import Database

ROUNDS = 3
ROUND_SECONDS = 5.0
# Before: batches of 100 events for so long, so that a backup takes its time.
FILLED_SECONDS = 10.0
_CONNECTIONS = 32


class Backups(threading.Thread):
    """One `billing-exporter backup` after the other, each with its check; `number` tells how many
    there were.
    """

    def __init__(self, exporter: ExporterProcess, first: int) -> None:
        super().__init__(name="backups", daemon=True)
        self._exporter = exporter
        self._stopping = threading.Event()
        self.number = first
        self.complaint = ""

    def run(self) -> None:
        """Until `stop`."""
        folder, environment = self._exporter.data_dir, self._exporter.environment
        while not self._stopping.is_set() and not self.complaint:
            self.number += 1
            done = run_command(folder, environment, "backup", f"{self.number}.backup")
            self.complaint = done.stderr if done.returncode else ""

    def stop(self) -> None:
        """End after the current one; AssertionError if any failed."""
        self._stopping.set()
        self.join()
        assert not self.complaint, self.complaint


def run(rounds: int = ROUNDS, round_seconds: float = ROUND_SECONDS) -> Result:
    """Rounds of webhooks as fast as they are taken, without and with backups in turn."""
    result = Result({}, {"backup": 1})
    with (
        tried(result, "backups under load") as folder,
        Database.running(folder / "database") as database,
    ):
        assert database.server is not None
        with (
            new_database(database.server) as url,
            running_exporter(folder / "main", url, {"BILLING_ADMIN_KEY": ADMIN_KEY}) as exporter,
        ):
            port = urlsplit(exporter.url).port
            assert port is not None
            Sender("batches", most_per_second=800).send(port, 8, FILLED_SECONDS)
            sender = Sender("webhooks", most_per_second=20_000)
            alone, during, backups = [], [], 0
            for _ in range(rounds):
                alone.append(sender.send(port, _CONNECTIONS, round_seconds).per_second)
                backup = Backups(exporter, backups)
                backup.start()
                during.append(sender.send(port, _CONNECTIONS, round_seconds).per_second)
                backup.stop()
                backups = backup.number
            result.figures |= {
                "backups": backups,
                "webhooks_per_second": statistics.median(alone),
                "webhooks_per_second_during_backup": statistics.median(during),
                "backup_rate_ratio": statistics.median(during) / statistics.median(alone),
            }
    return result
