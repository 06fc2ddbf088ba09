"""Alerts of organisations as rows, and the passes that tell Alertmanager of them, one by one."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from exporter.alertmanager import Alertmanager
from exporter.catalogue.book import Catalogue
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.domain.dispatch import HOLDS, Links
from exporter.ledger.connection import Connection, connect
from exporter.ledger.migrate import migrate
from exporter.monitors.dispatch import Dispatch
from exporter.monitors.silences import KeepSilences
from exporter.totals import Totals
from tests.support.writing import ask

LINKS = Links(
    "https://example.com/runbooks", "https://grafana.example.com/d", "https://billing.example.com"
)
_RAISE = """
INSERT INTO shared.billing_alerts (
    organization_id, type, severity, title, message, data, meter, created_at, updated_at
)
VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp()) RETURNING id::text
"""
_CHANGE = "UPDATE shared.billing_alerts SET {}, updated_at = clock_timestamp() WHERE id = %s"


@dataclass
class Alerts:
    """The alerts of a database, changed as their causes change them."""

    database_url: str

    def begin(
        self,
        organization: str = "org_1",
        type_: str = "usage_threshold",
        severity: str = "medium",
        meter: str | None = "api_calls",
    ) -> str:
        """One more alert; its id."""
        texts = (f"{type_} of {organization}", f"It is {severity}.", json.dumps({"meter": meter}))
        parameters = (organization, type_, severity, *texts, meter)
        ((id_,),) = ask(self.database_url, _RAISE, *parameters)
        return str(id_)

    def begin_many(self, count: int, type_: str) -> None:
        """So many organisations, each with a warning of that type."""
        ask(
            self.database_url,
            "INSERT INTO shared.billing_alerts (organization_id, type, severity, title, message, "
            "created_at, updated_at) SELECT 'org_' || n, %s, 'medium', 'Title', 'Message', "
            "clock_timestamp(), clock_timestamp() FROM generate_series(1, %s) AS n",
            type_,
            count,
        )

    def turn(self, id_: str, severity: str) -> None:
        """It becomes more or less severe."""
        change = _CHANGE.format("severity = %s, message = %s")
        ask(self.database_url, change, severity, f"It is {severity}.", id_)

    def end(self, *ids: str) -> None:
        """They are resolved; without ids, all are."""
        ask(
            self.database_url,
            "SELECT ledger.resolve_alert(clock_timestamp(), id, 'exporter', 'It is over.') "
            "FROM shared.billing_alerts WHERE resolved_at IS NULL AND (%s OR id::text = ANY (%s))",
            not ids,
            [*ids],
        )

    def acknowledge(self, id_: str, until: datetime | None = None) -> None:
        """Ada looks after it."""
        call = "SELECT ledger.acknowledge_alert(clock_timestamp(), %s, 'ada', 'I look.', %s)"
        assert ask(self.database_url, call, id_, until) == [("acknowledged",)]

    def unacknowledge(self, id_: str) -> None:
        """Ada doesn't any more."""
        call = "SELECT ledger.unacknowledge_alert(clock_timestamp(), %s, 'ada', NULL)"
        assert ask(self.database_url, call, id_) == [("unacknowledged",)]

    def acknowledged(self, id_: str) -> tuple[Any, ...]:
        """By whom, with what note, until when; Nones if by nobody."""
        query = (
            "SELECT acknowledged_by, note, acknowledged_until FROM shared.billing_alerts "
            "WHERE id = %s"
        )
        return ask(self.database_url, query, id_)[0]

    def transitions(self, id_: str) -> list[tuple[Any, ...]]:
        """What happened to it, with severity, actor and note."""
        query = (
            "SELECT transition, severity, actor, note FROM shared.billing_alert_transitions "
            "WHERE alert_id = %s ORDER BY number"
        )
        return ask(self.database_url, query, id_)


@dataclass
class Dispatcher:
    """The passes of one process' monitors, on a connection of their own. Unless `repeat_seconds`
    says otherwise, each of them is due.
    """

    connection: Connection
    targets: list[Alertmanager]
    summarise_above: int = 100
    holds: timedelta = HOLDS
    repeat_seconds: float = 0.0
    end_repeated_seconds: float = 900.0
    held_seconds: float = 120.0
    health: Totals = field(default_factory=lambda: Totals(Catalogue(), OWN_METRICS))

    def __post_init__(self) -> None:
        self._dispatch = Dispatch(
            self.targets,
            LINKS,
            self.summarise_above,
            self.health,
            holds=self.holds,
            repeat_seconds=self.repeat_seconds,
            end_repeated_seconds=self.end_repeated_seconds,
            held_seconds=self.held_seconds,
        )
        self._keep = KeepSilences(self.targets)

    async def tell(self) -> None:
        """One pass of the dispatcher."""
        await self._dispatch(self.connection)

    async def keep_silences(self, is_done: Callable[[], object], passes: int = 20) -> None:
        """Passes of the other monitor until something is so; each takes one step an alert."""
        for _ in range(passes):
            if is_done():
                return
            await self._keep(self.connection)
        assert is_done(), f"not after {passes} passes"


@asynccontextmanager
async def dispatching(
    database_url: str, *urls: str, **changes: Any
) -> AsyncIterator[tuple[Alerts, Dispatcher]]:
    """The alerts of a database, and a dispatcher to Alertmanagers at these addresses."""
    migrate(database_url)
    connection = await connect(database_url)
    try:
        targets = [Alertmanager(url, 5.0) for url in urls]
        yield Alerts(database_url), Dispatcher(connection, targets, **changes)
    finally:
        await connection.close()
