"""The one writer: takes what has queued up, commits it, and only then answers."""

import asyncio
import time
from collections.abc import Callable

import psycopg
import structlog
from psycopg import errors as pg

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.errors import InvalidEvents, LedgerUnavailable, Superseded
from exporter.ledger.entry import Outcome, Submission
from exporter.ledger.group import Group, LeaseLost
from exporter.ledger.lease import RENEW_SECONDS, Lease
from exporter.ledger.patience import Patience
from exporter.ledger.queue import Queue
from exporter.ledger.sealing import Sealer
from exporter.ledger.session import Prepare, Session, first_line
from exporter.totals import Totals

ANSWER_WITHIN_SECONDS = 5.0
_REPLAYED = (pg.DeadlockDetected, pg.SerializationFailure)
# SQLSTATE 22 and 23, a row too wide for an index (54), and text that isn't UTF-8.
_REFUSED = (pg.DataError, pg.IntegrityError, pg.ProgramLimitExceeded, UnicodeError)
_STOPPING = "The exporter is stopping."
_log = structlog.get_logger(component="ledger")


class Writer:
    """Owns the session and the totals in memory; `ready` is set once they are loaded and stays
    set. `prepare` is called with a connection before that, while the lease is held.
    """

    def __init__(
        self,
        conninfo: Callable[[], str],
        *,
        lease: Lease,
        catalogue: Catalogue,
        totals: Totals,
        health: Totals,
        sealer: Sealer,
        prepare: Prepare | None = None,
    ) -> None:
        self._lease = lease
        self._totals = totals
        self._health = health
        self._queue = Queue()
        self._taken: list[Submission] = []
        self._patience = Patience(
            ANSWER_WITHIN_SECONDS, lambda: self._unavailable("The database did not answer in time.")
        )
        self._stopping = asyncio.Event()
        self._session = Session(
            conninfo,
            lease=lease,
            catalogue=catalogue,
            totals=totals,
            sealer=sealer,
            stopping=self._stopping,
            prepare=prepare,
        )
        self.ready = asyncio.Event()

    @property
    def away(self) -> bool:
        """Whether the database can't be reached at the moment."""
        return self._session.away

    async def submit(self, submission: Submission) -> list[Outcome]:
        """Commit the submission and tell what became of each of its entries.

        Raises LedgerUnavailable when it can't be made durable soon, InvalidEvents when the
        database refuses its data.
        """
        if self._stopping.is_set():
            raise self._unavailable(_STOPPING)
        if self._lease.awaited:
            raise self._unavailable(
                "The exporter is starting: the name of its replica is still leased."
            )
        if not self.ready.is_set() or self.away:
            raise self._unavailable("The database can't be reached at the moment.")
        if not self._queue.has_room(submission):
            raise self._unavailable("More events are waiting than can be taken.")
        self._queue.put(submission)
        self._patience.watch(submission.answer)
        return await submission.answer

    async def run(self) -> None:
        """Serve until `stop`, through every outage. Raises LeaseHeld or Superseded."""
        try:
            if await self._session.open():
                self.ready.set()
            while not self._stopping.is_set() or self._queue.events:
                if await self._queue.wait(RENEW_SECONDS):
                    self._taken = self._queue.take()
                    self._note_taken()
                    await self._serve(Group(self._taken))
                else:
                    await self._session.renew()
        except psycopg.Error as error:
            if not self._stopping.is_set():
                raise
            _log.warning("stopped while the database was away", error=first_line(error))
        except LeaseLost:
            raise Superseded(
                f"The replica name {self._lease.replica!r} was taken by another process. "
                "This one stops, so that nothing is counted twice."
            ) from None
        finally:
            self.stop()
            self._turn_away()
            await self._session.close()
            self._lease.highwater.close()

    def stop(self) -> None:
        """Take nothing more; what waits is still committed."""
        self._stopping.set()
        self._queue.wake()

    def observe(self) -> None:
        """Bring the gauges of the queue up to date."""
        self._health.set(own.QUEUE_EVENTS, (), self._queue.events)
        self._health.set(own.QUEUE_BYTES, (), self._queue.size_bytes)
        self._health.set(own.UP, ("postgres",), 0 if self.away else 1)
        self._health.set(own.READY, (), int(self.ready.is_set()))

    def _unavailable(self, detail: str) -> LedgerUnavailable:
        self._health.count(own.QUEUE_REFUSED)
        return LedgerUnavailable(detail)

    def _note_taken(self) -> None:
        """How long the oldest of the group waited, and how many events it has."""
        if self._taken:
            oldest_seconds = min(submission.begun_seconds for submission in self._taken)
            self._health.observe(own.QUEUE_WAIT, (), time.monotonic() - oldest_seconds)
            events = sum(submission.weight for submission in self._taken)
            self._health.observe(own.GROUP_SIZE, (), events)

    async def _serve(self, group: Group) -> None:
        """Commit the group, whatever it takes; never raises for the data's sake."""
        while group.submissions:
            begun = time.perf_counter()
            try:
                await self._session.commit(group)
            except _REPLAYED:
                pass
            except _REFUSED as error:
                await self._split(group, error)
                return
            except psycopg.Error as error:
                if await self._session.survived(group, error):
                    break
                group = Group([s for s in group.submissions if not s.answer.done()])
            else:
                self._health.observe(own.GROUP_DURATION, (), time.perf_counter() - begun)
                self._health.observe(own.GROUP_WRITE_DURATION, (), group.write_seconds)
                break
            self._health.count(own.GROUPS_RETRIED)
        else:
            return
        self._finish(group)

    def _finish(self, group: Group) -> None:
        """Bring memory up to the ledger, then answer."""
        self._totals.add(group.increments)
        self._lease.group_no = group.group_no
        self._lease.remember()
        self._health.count(own.GROUPS_COMMITTED)
        _log.debug("group committed", group_no=group.group_no, submissions=len(group.submissions))
        if group.collapsed:
            self._health.count(own.SERIES_OVERFLOW, (), group.collapsed)
        for source, outcome in group.answer():
            self._health.count(own.EVENTS_REPEATED, (source, outcome.value))

    async def _split(self, group: Group, error: Exception) -> None:
        """Halve the group until the submission whose data is refused stands alone."""
        if len(group.submissions) > 1:
            middle = len(group.submissions) // 2
            for half in (group.submissions[:middle], group.submissions[middle:]):
                await self._serve(Group(half))
            return
        (culprit,) = group.submissions
        reason = first_line(error)
        _log.warning("the database refused an event", reason=reason)
        if culprit.if_refused is not None:
            letter = culprit.if_refused(reason)
            await self._serve(
                Group([Submission((), culprit.size_bytes, True, letter, answer=culprit.answer)])
            )
        elif not culprit.answer.done():
            culprit.answer.set_exception(_refused(len(culprit.entries), reason))

    def _turn_away(self) -> None:
        """Answer whoever still waits; nothing more is committed."""
        waiting = [*self._taken, *self._queue.take_all()]
        for submission in waiting:
            if not submission.answer.done():
                submission.answer.set_exception(self._unavailable(_STOPPING))


def _refused(events: int, reason: str) -> InvalidEvents:
    which = "the event" if events == 1 else "one of the events"
    return InvalidEvents(
        f"The database refused {which}: {reason}.", "Mend its values and send it again."
    )
