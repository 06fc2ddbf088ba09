"""What lies behind the demo: its customers in the ledger, and weeks in Prometheus."""

import asyncio
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psycopg
import requests

from demo.business import REPLICA, Scale
from demo.deeds import operate
from demo.files import PROJECT, read_demo_config
from demo.stack import Stack
from exporter import __version__
from exporter.catalogue import own_metrics as own
from exporter.cli.progress import progress_bar
from exporter.cli.secrets import ADMIN_KEY_FILE, WEBHOOK_SECRET_FILE
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.roles import OWNER
from exporter.simulation.sender import Sender
from history.customers import tell_customers
from history.ledger import hand_over, read_gauges
from history.past import Gauges
from history.writing import write_history
from tests.support.scrape import parse
from tests.support.waiting import wait_until

_MOST_AWAY_SECONDS = 86_400
_PASSES_SECONDS = 60.0
_CONNECTIONS = 4
_MARK = "past.json"


@dataclass(frozen=True)
class Past:
    """What is behind the stack's business, whose size is `scale`; `tell` says what is done."""

    stack: Stack
    scale: Scale
    tell: Callable[[str], None]

    @property
    def _mark(self) -> Path:
        return self.stack.place.folder / _MARK

    def bring(self) -> None:
        """Use the past that is there, or write another one."""
        folder = self.stack.place.folder
        if self.is_usable():
            self.tell(f"going on with the past that is kept in {folder}")
            return
        self._write()
        self.tell(f"the past is kept in {folder}, for the next start; remove it for a new one")

    def note_end(self) -> None:
        """The business has gone on until now."""
        self._mark.touch()

    def is_usable(self) -> bool:
        """Whether it is of this scale and version, and ended not long ago."""
        try:
            away = time.time() - self._mark.stat().st_mtime
            found = json.loads(self._mark.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(found == self.made_of()) and away < _MOST_AWAY_SECONDS

    def made_of(self) -> dict[str, object]:
        """All that another past would come of."""
        config = (PROJECT / "demo" / "config" / "billing.yml").read_bytes()
        rules = b"".join(
            file.read_bytes()
            for file in sorted((PROJECT / "rules" / "generated").glob("*.rules.yml"))
        )
        return {
            "version": __version__,
            "scale": {**asdict(self.scale), "scenario": ""},
            "config": hashlib.sha256(config + rules).hexdigest(),
        }

    def _write(self) -> None:
        place, config = self.stack.place, read_demo_config()
        self._mark.unlink(missing_ok=True)
        data = place.prometheus / "data"
        # Beside Prometheus' own files, which another one must not write over.
        scratch = place.prometheus / "past"
        for old in (place.exporter, data, scratch, place.mails, place.alertmanager / "data"):
            shutil.rmtree(old, ignore_errors=True)
        data.mkdir(parents=True)
        scratch.mkdir()
        with EmbeddedServer.open(place.exporter) as server:
            gauges = self._tell_customers(server)
            self.tell("writing what Prometheus would have stored")
            order = replace(self.scale.order(config), gauges=gauges)
            with progress_bar("scrapes") as show:
                history = write_history(
                    order,
                    scratch,
                    data,
                    self._tell_step,
                    lambda done: show(done, order.span_seconds),
                )
            with psycopg.connect(server.conninfo(OWNER)) as connection:
                hand_over(connection, history, REPLICA)
        shutil.rmtree(scratch)
        self._mark.write_text(json.dumps(self.made_of()), encoding="utf-8")

    def _tell_step(self, step: str) -> None:
        if step == "recordings":
            self.tell("evaluating the recording rules for it")

    def _tell_customers(self, server: EmbeddedServer) -> Gauges:
        """Send a real exporter what it must know, and give what its monitors make of it."""
        self.tell(f"telling the exporter of {self.scale.customers} customers and their usage")
        simulation = self.scale.simulation(read_demo_config())
        with self.stack.exporter(alone=True):
            sender = Sender(
                url=self.stack.exporter_url,
                key=self._secret(ADMIN_KEY_FILE),
                secret=self._secret(WEBHOOK_SECRET_FILE),
                start_seconds=simulation.start_seconds,
                connections=_CONNECTIONS,
            )
            asyncio.run(sender.run(tell_customers(simulation, self.scale.past_seconds)))
        begun = time.time()
        # Monitors make their first pass at once.
        with self.stack.exporter(alone=True):
            operate(self.stack)
            wait_until(lambda: self._all_passed(begun), _PASSES_SECONDS, "all monitors passed")
        with psycopg.connect(server.conninfo(OWNER)) as connection:
            return read_gauges(connection)

    def _secret(self, name: str) -> str:
        return (self.stack.place.exporter / name).read_text(encoding="utf-8").strip()

    def _all_passed(self, since_seconds: float) -> bool:
        answer = requests.get(f"{self.stack.exporter_url}/metrics", timeout=10)
        passes = [
            at
            for (name, _), at in parse(answer.text).samples.items()
            if name == own.MONITOR_LAST_SUCCESS.name
        ]
        return bool(passes) and min(passes) >= since_seconds
