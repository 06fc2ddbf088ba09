"""A real database that is killed, stopped, frozen or locked, and comes back."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from exporter.ledger import roles
from exporter.ledger.embedded import EmbeddedServer
from tests.support.postgres import end_server, live_postmaster, postmaster_of
from tests.support.waiting import wait_until

_BACK_SECONDS = 60.0
_BACKEND = "SELECT pid FROM pg_stat_activity WHERE application_name = 'billing-exporter' LIMIT 1"


@dataclass(frozen=True)
class Database:
    """A PostgreSQL in a data folder. With `server` nobody but the test stops and starts it;
    without, exporters embed it and start it again by themselves.
    """

    folder: Path
    server: EmbeddedServer | None = None

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path, programs: Path | None = None) -> "Iterator[Database]":
        """One that the test alone stops and starts, with the `programs` of that folder."""
        with EmbeddedServer.open(folder, binaries=programs) as server:
            yield cls(folder, server)

    @property
    def conninfo(self) -> str:
        """How to reach it at this moment, as the exporter's role."""
        return self._conninfo(roles.OWNER)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it by SIGINT (connections are cut) or SIGQUIT (without a checkpoint), and wait
        until it is gone.
        """
        end_server(self.folder, number)

    def kill(self) -> None:
        """Kill -9 its first process."""
        os.kill(live_postmaster(self.folder).pid, signal.SIGKILL)

    def kill_backend(self) -> bool:
        """Kill -9 a process that serves an exporter, at which PostgreSQL begins anew; False if
        there is none at the moment.
        """
        with psycopg.connect(self._conninfo(roles.SUPERUSER), autocommit=True) as connection:
            row = connection.execute(_BACKEND).fetchone()
        if row is None:
            return False
        _signal(row[0], signal.SIGKILL)
        return True

    def start(self) -> float:
        """Start it at its old port, or see to it that its exporters do, and wait until it
        answers; the moment of that, by the monotonic clock.
        """
        if self.server:
            self.server.ensure_running()
        wait_until(self.answers, _BACK_SECONDS, "the database answers")
        return time.monotonic()

    def answers(self) -> bool:
        """Whether it can be used at the moment."""
        with contextlib.suppress(psycopg.OperationalError, AssertionError):
            psycopg.connect(self.conninfo).close()
            return True
        return False

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """None of its processes goes on; connections stay open and say nothing."""
        first = live_postmaster(self.folder).pid
        stopped: list[int] = []
        try:
            stopped.append(first)
            _signal(first, signal.SIGSTOP)
            # Now there are no new ones.
            for pid in _children(first):
                stopped.append(pid)
                _signal(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in stopped:
                _signal(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Nobody else gets at this table, such as "ledger.increments", not even to read it."""
        name = sql.Identifier(*table.split("."))
        with psycopg.connect(self.conninfo) as connection:
            connection.execute(sql.SQL("LOCK TABLE {}").format(name))
            yield

    def is_gone(self) -> bool:
        """Whether no first process of it lives."""
        return postmaster_of(self.folder) is None

    def _conninfo(self, role: str) -> str:
        if self.server:
            return self.server.conninfo(role)
        return roles.role_conninfo(self.folder, role, live_postmaster(self.folder).port)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _children(parent: int) -> list[int]:
    """The processes that a process started."""
    tasks = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in tasks.read_text().split()]
