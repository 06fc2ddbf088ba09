"""The ledger as a Python object."""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import msgspec
import psycopg
import structlog

from exporter.api.documents import Alert, BillingHealth, UsageMetrics, UsageReport
from exporter.api.watch import Connection, Watch
from exporter.caching import USAGE_SECONDS, Kept, Place, Shelf
from exporter.ledger.audit import os_actor
from exporter.ledger.billing_alerts import (
    MOST_ALERTS,
    Cursor,
    Filter,
    News,
    find_alert,
    list_alerts,
    resolve,
)
from exporter.ledger.connection import connect_once
from exporter.ledger.organizations import read_report, read_usage
from exporter.ledger.questions import Question, ask_on, ask_once, make_once
from exporter.ledger.system_health import read_health

T = TypeVar("T")

_STOP_WITHIN_SECONDS = 10.0
_log = structlog.get_logger(component="api")


class BillingMonitor:
    """The ledger of a running exporter, which need not run on this machine.

    `database_url` is the exporter's own, or that of a role that may do what is asked of it.
    `actor` is who the history says it was; the user of the operating system if left out. Usage is
    read anew when what was read last is `usage_seconds` old, each time for 0.
    """

    def __init__(
        self,
        database_url: str,
        *,
        actor: str | None = None,
        poll_seconds: float = 2.0,
        usage_seconds: float = USAGE_SECONDS,
    ) -> None:
        self._database_url = database_url
        self._actor = actor or os_actor()
        self._poll_seconds = poll_seconds
        self._usage_seconds = usage_seconds
        self._usage = Shelf()
        self._usage_lock = threading.Lock()
        self._callbacks: list[Callable[[Alert], object]] = []
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop_monitoring()

    def get_billing_health(self) -> BillingHealth:
        """What the exporter's checks came to when they were made last."""
        report = ask_once(self._database_url, read_health())
        return msgspec.convert(report.document, BillingHealth)

    def get_usage_metrics(self, organization_id: str) -> UsageMetrics:
        """What the organisation has used in its current period, as of a moment. Raises LookupError
        if nothing is known of it.
        """
        place = Place("usage", "", organization_id)
        with self._usage_lock:
            kept = self._usage.find(place)
        if kept is not None:
            return msgspec.json.decode(kept.body, type=UsageMetrics)
        found = self._ask(read_usage(organization_id), UsageMetrics, organization_id)
        kept = Kept(found.as_of.timestamp(), msgspec.json.encode(found))
        with self._usage_lock:
            self._usage.put(place, kept, self._usage_seconds, self._usage.begin(place))
        return found

    def generate_usage_report(
        self, organization_id: str, start: datetime, end: datetime
    ) -> UsageReport:
        """What it used from `start` to `end` (not itself), by meter and day, and what that cost.
        Raises LookupError if nothing is known of it, ValueError for times without a zone or in
        the wrong order.
        """
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("start and end need a zone, as in datetime(2026, 1, 1, tzinfo=UTC).")
        if not timedelta() < end - start:
            raise ValueError("end must be after start.")
        question = read_report(organization_id, start, end)
        return self._ask(question, UsageReport, organization_id)

    def get_active_alerts(self, organization_id: str | None = None) -> list[Alert]:
        """The alerts of the organisation (of all, if none is named) that are not resolved, the
        newest first.
        """
        found: list[Alert] = []
        after: Cursor | None = None
        with connect_once(self._database_url) as connection:
            while True:
                which = Filter(organization_id, status="active")
                page = ask_on(connection, list_alerts(which, MOST_ALERTS, after))
                found += msgspec.convert(page.alerts, list[Alert])
                if page.next is None:
                    return found
                after = Cursor.read(page.next)

    def resolve_alert(self, alert_id: UUID | str, resolution: str) -> bool:
        """End an alert; False if it had ended before. Raises LookupError if there is none."""
        try:
            id_ = UUID(str(alert_id))
        except ValueError:
            raise LookupError(f"{alert_id!r} is no id of an alert.") from None
        outcome = make_once(self._database_url, resolve(id_, self._actor, resolution))
        if outcome == "unknown":
            raise LookupError(f"There is no alert {id_}.")
        return outcome == "resolved"

    def on_alert(self, callback: Callable[[Alert], object]) -> None:
        """Have `callback` called with each alert to which anything happens while this monitors:
        every transition once, the oldest first, in a thread of its own. What it raises is logged.
        """
        self._callbacks.append(callback)

    def start_monitoring(self) -> None:
        """Begin to tell of alerts; returns when nothing that happens from now on is missed. The
        exporter raises alerts by itself, whether anybody monitors it or not.
        """
        if self._thread is not None:
            return
        with connect_once(self._database_url) as connection:
            watch = Watch(connection)
        self._stopped.clear()
        self._thread = threading.Thread(
            target=self._run, args=(watch,), name="billing-monitor", daemon=True
        )
        self._thread.start()

    def stop_monitoring(self) -> None:
        """Tell of nothing more; returns when the last callback has ended."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopped.set()
            if thread is not threading.current_thread():
                thread.join(_STOP_WITHIN_SECONDS)

    def _run(self, watch: Watch) -> None:
        waiting: deque[News] = deque()
        complained = False
        while not self._stopped.wait(self._poll_seconds):
            try:
                with connect_once(self._database_url) as connection:
                    waiting += watch.look(connection)
                    self._tell_all(connection, waiting)
                complained = False
            except psycopg.Error as error:
                if not complained:
                    _log.warning("the database can't be used", error=str(error).strip())
                complained = True

    def _tell_all(self, connection: Connection, waiting: deque[News]) -> None:
        """Tell of what waits, and take from it what was told."""
        while waiting and not self._stopped.is_set():
            alert = ask_on(connection, find_alert(waiting[0].alert_id))
            one = waiting.popleft()
            if alert is not None:  # it was not erased meanwhile
                self._tell(msgspec.convert({**alert, "transition": one.transition}, Alert))

    def _tell(self, alert: Alert) -> None:
        for callback in tuple(self._callbacks):
            try:
                callback(alert)
            except Exception:  # noqa: BLE001 - a callback's fault is its own
                _log.exception("a callback failed", alert_id=str(alert.id))

    def _ask(
        self, question: Question[dict[str, Any] | None], shape: type[T], organization_id: str
    ) -> T:
        found = ask_once(self._database_url, question)
        if found is None:
            raise LookupError(f"Nothing is known of the organisation {organization_id!r}.")
        return msgspec.convert(found, shape)
