"""The one writer: takes what has queued up, commits it, and only then answers."""

import asyncio
import time
from collections.abc import Callable, Sequence

import psycopg
import structlog
from psycopg import errors as pg

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.catalogue.model import Increment, Metric, Series
from exporter.errors import InvalidEvents, LedgerUnavailable, Superseded
from exporter.ledger.connection import Connection, connect
from exporter.ledger.entry import Outcome, Submission
from exporter.ledger.group import Group, LeaseLost
from exporter.ledger.lease import LEASE_SECONDS, RENEW_SECONDS, Lease
from exporter.ledger.migrate import migrate
from exporter.ledger.queue import Queue
from exporter.totals import Totals

ANSWER_WITHIN_SECONDS = 5.0
_RECONNECT_SECONDS = 0.1
_REPLAYED = (pg.DeadlockDetected, pg.SerializationFailure)
_log = structlog.get_logger(component="ledger")


class Writer:
    """Owns one connection and the totals in memory.

    `ready` is set once the totals are loaded and stays set; `away` tells whether the database
    can't be reached at the moment.
    """

    def __init__(
        self,
        conninfo: Callable[[], str],
        lease: Lease,
        catalogue: Catalogue,
        totals: Totals,
        health: Totals,
    ) -> None:
        self._conninfo = conninfo
        self._lease = lease
        self._catalogue = catalogue
        self._totals = totals
        self._health = health
        self._queue = Queue()
        self._connection: Connection | None = None
        self._stopping = asyncio.Event()
        self.ready = asyncio.Event()
        self.away = True
        self.strangers: list[dict[str, object]] = []

    async def submit(self, submission: Submission) -> list[Outcome]:
        """Commit the submission and tell what became of each of its entries.

        Raises LedgerUnavailable when it can't be made durable soon, InvalidEvents when the
        database refuses its data.
        """
        if not self.ready.is_set() or self.away or self._stopping.is_set():
            raise self._unavailable("The database can't be reached at the moment.")
        if not self._queue.has_room(submission):
            raise self._unavailable("More events are waiting than can be taken.")
        self._queue.put(submission)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                return await submission.answer
        except TimeoutError:
            raise self._unavailable("The database did not answer in time.") from None

    async def run(self) -> None:
        """Serve until `stop`, through every outage. Raises LeaseHeld or Superseded."""
        try:
            await self._connect()
            while not self._stopping.is_set() or self._queue.events:
                if await self._queue.wait(RENEW_SECONDS if not self._stopping.is_set() else 0.01):
                    await self._serve(Group(self._queue.take()))
                else:
                    await self._renew()
        except psycopg.Error as error:
            if not self._stopping.is_set():
                raise
            _log.warning("stopped while the database was away", error=_first_line(error))
        except LeaseLost:
            raise Superseded(
                f"The replica name {self._lease.replica!r} was taken by another process. "
                "This one stops, so that nothing is counted twice."
            ) from None
        finally:
            self.away = True
            await self._leave()

    def stop(self) -> None:
        """Take nothing more; what waits is still committed."""
        self._stopping.set()

    def observe(self) -> None:
        """Bring the gauges of the queue up to date."""
        self._health.set(own.QUEUE_EVENTS, (), self._queue.events)
        self._health.set(own.QUEUE_BYTES, (), self._queue.size_bytes)
        self._health.set(own.UP, ("postgres",), 0 if self.away else 1)
        self._health.set(own.READY, (), int(self.ready.is_set()))

    def _unavailable(self, detail: str) -> LedgerUnavailable:
        self._count(own.QUEUE_REFUSED)
        return LedgerUnavailable(detail)

    def _count(self, metric: Metric, labels: tuple[str, ...] = (), amount: int = 1) -> None:
        self._health.add((Increment(Series(metric.name, labels, 0), amount),))

    async def _connect(self) -> None:
        """Connect, take the lease and load the totals, however long the database is away."""
        while not self._stopping.is_set():
            try:
                await asyncio.to_thread(migrate, self._conninfo())
                self._connection = await connect(self._conninfo())
                await self._lease.acquire(self._connection)
                self.strangers = await self._lease.load(
                    self._connection, self._totals, self._catalogue
                )
            except psycopg.Error as error:
                _log.warning("the database can't be reached", error=_first_line(error))
                await self._leave_connection()
                await self._pause(_RECONNECT_SECONDS * 5)
                continue
            self.away = False
            self.ready.set()
            _log.info("totals loaded", replica=self._lease.replica, group_no=self._lease.group_no)
            return

    async def _renew(self) -> None:
        assert self._connection is not None
        try:
            await self._lease.renew(self._connection)
        except psycopg.Error as error:
            await self._reconnect(error)

    async def _serve(self, group: Group) -> None:
        """Commit the group, whatever it takes; never raises for the data's sake."""
        while group.submissions:
            assert self._connection is not None
            begun = time.perf_counter()
            try:
                await group.commit(
                    self._connection,
                    self._lease.replica,
                    self._lease.holder,
                    LEASE_SECONDS,
                    self._totals,
                )
            except _REPLAYED:
                await self._roll_back()
            except (pg.DataError, pg.IntegrityError) as error:
                await self._roll_back()
                await self._split(group, error)
                return
            except psycopg.Error as error:
                if await self._survived(group, error):
                    break
                group = Group([s for s in group.submissions if not s.answer.done()])
            else:
                self._health_of_commit(begun)
                break
            self._count(own.GROUPS_RETRIED)
        else:
            return
        self._finish(group)

    async def _survived(self, group: Group, error: psycopg.Error) -> bool:
        """After an error that isn't the data's: whether the group was committed all the same."""
        if self._connection_lost():
            await self._reconnect(error)
        else:
            await self._roll_back()
            _log.error("a group could not be committed", error=_first_line(error))
            await self._pause(_RECONNECT_SECONDS)
        while group.claimed:
            assert self._connection is not None
            try:
                return await self._lease.recover(self._connection, group.group_no)
            except psycopg.Error as again:
                await self._reconnect(again)
        return False

    def _finish(self, group: Group) -> None:
        self._totals.add(group.increments)
        self._lease.group_no = group.group_no
        self._lease.remember()
        self._count(own.GROUPS_COMMITTED)
        if group.collapsed:
            self._count(own.SERIES_OVERFLOW, (), group.collapsed)
        repeated = (Outcome.DUPLICATE, Outcome.CONFLICT)
        sources = [entry.source for s in group.submissions for entry in s.entries]
        told = [o for o in group.answer() if o is not Outcome.DEAD_LETTER]
        for source, outcome in zip(sources, told, strict=True):
            if outcome in repeated:
                self._count(own.EVENTS_REPEATED, (source, outcome.value))

    def _health_of_commit(self, begun: float) -> None:
        self._health.add(
            self._catalogue.observe(own.GROUP_DURATION, (), time.perf_counter() - begun)
        )

    async def _split(self, group: Group, error: psycopg.Error) -> None:
        """Halve the group until the submission whose data is refused stands alone."""
        if len(group.submissions) > 1:
            middle = len(group.submissions) // 2
            for half in (group.submissions[:middle], group.submissions[middle:]):
                await self._serve(Group(half))
            return
        (culprit,) = group.submissions
        reason = _first_line(error)
        _log.warning("the database refused an event", reason=reason)
        if culprit.if_refused is not None:
            letter = culprit.if_refused
            letter = type(letter)(
                scope=letter.scope,
                id=letter.id,
                event_type=letter.event_type,
                reason=reason,
                body=letter.body,
                increments=letter.increments,
            )
            await self._serve(
                Group([Submission((), culprit.size_bytes, True, letter, answer=culprit.answer)])
            )
        elif not culprit.answer.done():
            culprit.answer.set_exception(_refused(culprit.entries, reason))

    async def _roll_back(self) -> None:
        assert self._connection is not None
        try:
            await self._connection.execute(b"ROLLBACK")
        except psycopg.Error as error:
            await self._reconnect(error)

    def _connection_lost(self) -> bool:
        return self._connection is None or self._connection.broken or self._connection.closed

    async def _reconnect(self, error: psycopg.Error) -> None:
        """Get a working connection again, and start the counters afresh if the ledger is
        behind. Raises LeaseLost.
        """
        self.away = True
        _log.warning("the connection to the database was lost", error=_first_line(error))
        while True:
            await self._leave_connection()
            try:
                self._connection = await connect(self._conninfo())
                if await self._lease.check_behind(self._connection):
                    self._totals.clear()
                    self._lease.remember()
                break
            except psycopg.Error:
                await self._pause(_RECONNECT_SECONDS)
                if self._stopping.is_set():
                    raise
        self.away = False
        _log.info("the database is back")

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _leave_connection(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                await connection.close()
            except psycopg.Error:
                return

    async def _leave(self) -> None:
        if self._connection is not None and not self._connection_lost():
            try:
                await self._lease.release(self._connection)
            except psycopg.Error as error:
                _log.warning("the lease could not be released", error=_first_line(error))
        await self._leave_connection()
        self._lease.highwater.close()


def _first_line(error: BaseException) -> str:
    """The error's own words without its context, which may quote data."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _refused(entries: Sequence[object], reason: str) -> InvalidEvents:
    return InvalidEvents(
        f"The database refused {'the event' if len(entries) == 1 else 'one of the events'}: "
        f"{reason}.",
        "Mend its values and send it again.",
    )
