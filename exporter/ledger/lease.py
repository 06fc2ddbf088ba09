"""A replica's lease: who may write under its name, and what its totals were."""

import asyncio
import os
import socket
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from psycopg.errors import LockNotAvailable

from exporter.catalogue.book import Catalogue
from exporter.errors import LeaseHeld
from exporter.ledger import stored_series
from exporter.ledger.connection import Connection
from exporter.ledger.group import LeaseLost
from exporter.ledger.highwater import Highwater, Known
from exporter.ledger.queries import LEASE
from exporter.totals import Totals

LEASE_SECONDS = 6.0
RENEW_SECONDS = LEASE_SECONDS / 3
# Less than the time within which a start has to answer.
LOCK_WAIT_SECONDS = 3.0
# No group takes as long: PostgreSQL ends one that waits for a lock, or does nothing, before.
FROZEN_SECONDS = 10.0
# Of a UUID as text: all but its last group.
_PROCESS_LETTERS = 24
_log = structlog.get_logger(component="ledger")


@dataclass(slots=True)
class Lease:
    """This process' claim on a replica's name; `awaited` while another's has to expire first.

    `holder` is this process' own part, and the number of its connection: a call that reaches the
    server late, after its connection was given up and another had taken its place, commits nothing
    any more.
    """

    replica: str
    highwater: Highwater
    process: str = field(default_factory=lambda: str(uuid.uuid4())[:_PROCESS_LETTERS])
    connection_no: int = 0
    ledger_id: str = ""
    group_no: int = 0
    epoch: int = 0
    awaited: bool = False

    @property
    def holder(self) -> str:
        """A UUID."""
        return f"{self.process}{self.connection_no:012x}"

    @property
    def _parameters(self) -> dict[str, Any]:
        return {
            "replica": self.replica,
            "holder": self.holder,
            "lease_seconds": LEASE_SECONDS,
            "held_by": f"process {os.getpid()} on {socket.gethostname()}",
        }

    async def acquire(self, connection: Connection) -> None:
        """Take the name. A lease that nobody renews is waited for until it expires, or has been
        seen unchanged for as long, whatever a clock that was set back says; raises LeaseHeld once
        its holder has shown itself alive.
        """
        try:
            self.group_no, self.epoch = await self._take(connection)
        finally:
            self.awaited = False
        identity = await _row(connection, "read_identity", {})
        self.ledger_id = str(identity[0]) if identity else ""
        await self._begin_epoch_if_behind(connection)

    async def _take(self, connection: Connection) -> tuple[Any, ...]:
        """The group_no and the epoch that come with the name."""
        seen, since_seconds, dead = None, 0.0, None
        while True:
            try:
                async with connection.transaction():
                    await _row(connection, "limit_lock_wait", {"seconds": LOCK_WAIT_SECONDS})
                    taken = await _row(
                        connection, "take_lease", {**self._parameters, "dead_expires_at": dead}
                    )
            except LockNotAvailable:
                taken = None
                await self._end_frozen(connection)
            if taken:
                return taken
            self.awaited = True
            held = await _row(connection, "read_lease", self._parameters)
            if held:
                holder, held_by, expires_at, *_ = held
                if seen is None:
                    _log.info(
                        "waiting for the lease to expire", replica=self.replica, held_by=held_by
                    )
                    seen, since_seconds = (holder, expires_at), time.monotonic()
                elif (holder, expires_at) != seen:
                    raise LeaseHeld(
                        f"The replica name {self.replica!r} is in use by {held_by}. Stop that "
                        "process, or give this one another name with BILLING_REPLICA."
                    )
                elif time.monotonic() - since_seconds > LEASE_SECONDS:
                    dead = expires_at
            await asyncio.sleep(RENEW_SECONDS / 8)

    async def _end_frozen(self, connection: Connection) -> None:
        """A process that was stopped between two statements holds the row, and no limit of the
        server ends a transaction that waits for the rest of what its client sends.
        """
        cursor = await connection.execute(LEASE["end_frozen"], {"seconds": FROZEN_SECONDS})
        for pid, _ in await cursor.fetchall():
            _log.warning("ended a frozen transaction that held the lease", backend_pid=pid)

    async def load(self, connection: Connection, totals: Totals, catalogue: Catalogue) -> None:
        """Fill `totals` with what the ledger holds for this replica and fits the catalogue."""
        cursor = await connection.execute(
            LEASE["read_totals"], {"replica": self.replica, "epoch": self.epoch}
        )
        fitting, strangers = stored_series.decode(await cursor.fetchall(), catalogue)
        totals.clear()
        totals.add(fitting)
        self.remember()
        _log.info(
            "totals loaded",
            replica=self.replica,
            group_no=self.group_no,
            series=len(fitting),
            series_left_out=len(strangers),
        )

    async def recover(self, connection: Connection, expected_group_no: int) -> bool:
        """After `resume`, or an error on a connection that lives: whether the group
        `expected_group_no` was committed. Raises LeaseLost if the name has another holder by now.
        """
        row = await _row(connection, "read_lease", self._parameters)
        if row is None or str(row[0]) != self.holder:
            raise LeaseLost
        return bool(row[3] >= expected_group_no)

    async def resume(self, connection: Connection) -> bool:
        """Renew the lease on a new connection, having waited for whatever the old one still did.
        True if the ledger lost groups that this replica knew (a restore, a failover that lost
        commits): a new epoch has begun, whose totals start at 0. Raises LeaseLost.

        That it writes shows that the server isn't a standby.
        """
        self.connection_no += 1
        row = await _row(connection, "succeed_lease", self._parameters)
        if row is None:
            raise LeaseLost
        group_no, epoch = row
        if group_no < self.group_no:
            await self._begin_epoch(connection, self.group_no, found_group_no=group_no)
            return True
        # The epoch was begun before, and the answer lost.
        begun = bool(epoch != self.epoch)
        if begun:
            self.group_no, self.epoch = group_no, epoch
        return begun

    async def renew(self, connection: Connection) -> None:
        """Say that this process is alive. Raises LeaseLost."""
        if await _row(connection, "renew_lease", self._parameters) is None:
            raise LeaseLost

    async def release(self, connection: Connection) -> None:
        """Give the name back at once."""
        await connection.execute(LEASE["release_lease"], self._parameters)

    def remember(self) -> None:
        """Keep the number of the last committed group in the data folder."""
        self.highwater.write(Known(self.ledger_id, self.group_no))

    async def _begin_epoch_if_behind(self, connection: Connection) -> None:
        known = self.highwater.read()
        if known and known.ledger_id == self.ledger_id and known.group_no > self.group_no:
            await self._begin_epoch(connection, known.group_no, found_group_no=self.group_no)

    async def _begin_epoch(
        self, connection: Connection, known_group_no: int, found_group_no: int
    ) -> None:
        row = await _row(
            connection, "begin_epoch", {**self._parameters, "group_no": known_group_no}
        )
        if row is None:
            raise LeaseLost
        _log.warning(
            "the ledger is behind what this replica knew: counters start again at 0",
            replica=self.replica,
            known_group_no=known_group_no,
            found_group_no=found_group_no,
        )
        self.group_no, self.epoch = row


def read_strangers(
    connection: psycopg.Connection[Any], replica: str, catalogue: Catalogue
) -> list[dict[str, Any]]:
    """The stored series of the replica that are kept and not exposed, as they no longer fit."""
    row = connection.execute(LEASE["read_lease"], {"replica": replica}).fetchone()
    if row is None:
        return []
    cursor = connection.execute(LEASE["read_totals"], {"replica": replica, "epoch": row[4]})
    return stored_series.decode(cursor.fetchall(), catalogue)[1]


async def _row(
    connection: Connection, query: str, parameters: dict[str, Any]
) -> tuple[Any, ...] | None:
    cursor = await connection.execute(LEASE[query], parameters)
    return await cursor.fetchone()
