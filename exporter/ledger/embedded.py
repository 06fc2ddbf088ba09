"""The PostgreSQL that comes with the exporter: one cluster a data folder, shared by its users."""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from exporter.errors import EmbeddedServerError
from exporter.ledger import roles
from exporter.ledger.launcher import Launcher, Served
from exporter.ledger.locks import FileLock
from exporter.ledger.place import find_place, make_data_folder
from exporter.ledger.ports import HOST
from exporter.ledger.probe import answers
from exporter.ledger.processes import stop_postgres

TURN_TIMEOUT_SECONDS = 60.0


class EmbeddedServer:
    """The running server of one data folder, in use until `close`.

    Any number of processes and threads may use it; the last to leave stops it. A user that is
    killed has left, and the server goes on until another opens the folder.
    """

    def __init__(self, data_folder: Path, binaries: Path | None) -> None:
        """Not for callers: `open` and `find_running` give one that runs."""
        self._folder = data_folder
        self._place = find_place(data_folder)
        self._closing = threading.Event()
        self._launcher = Launcher(data_folder, self._place, binaries, self._closing)
        self._guard = threading.Lock()
        self._users = FileLock(data_folder / "users.lock")
        self._served = Served(0, "")

    @classmethod
    def open(cls, data_dir: Path, *, binaries: Path | None = None) -> Self:
        """The server of the folder: the one that runs, or one that is started now.

        `binaries` is a folder with PostgreSQL's programs, to be used instead of those found.
        EmbeddedServerError says what is in the way.
        """
        with _explaining(data_dir):
            server = cls(make_data_folder(data_dir), binaries)
            server._enter(server._launcher.adopt_or_start)
        return server

    @classmethod
    def find_running(cls, data_dir: Path) -> Self | None:
        """The server of the folder if it runs, or is about to; nothing is started."""
        with _explaining(data_dir):
            folder = data_dir.resolve()
            if not (folder / "users.lock").exists():
                return None
            server = cls(folder, None)
            return server if server._enter(server._launcher.adopt) else None

    @property
    def version(self) -> str:
        """The server's version, such as "18.6"."""
        return self._served.version

    def url(self, role: str = roles.OWNER) -> str:
        """Names the server to people; it has no password and so doesn't log in by itself."""
        return f"postgresql://{role}@{HOST}:{self._served.port}/{roles.DATABASE}"

    def conninfo(self, role: str = roles.OWNER) -> str:
        """How to connect to the database as `billing`, `billing_operator` or `postgres`.

        The password stands in the file that it names. Ask again after `ensure_running`.
        """
        return roles.role_conninfo(self._folder, role, self._served.port)

    def ensure_running(self) -> None:
        """Start the server again if it is gone; for a thread that calls it while it seems so.

        It keeps its port unless something else took that meanwhile. Whichever of several users
        comes first starts it. EmbeddedServerError if that fails, and after `close`.
        """
        with self._guard, _explaining(self._folder):
            if self._closing.is_set():
                raise EmbeddedServerError("This process has closed its embedded PostgreSQL.")
            if not answers(self._place, self._folder, self._served.port):
                with self._turn():
                    self._served = self._launcher.adopt_or_start()

    def close(self) -> None:
        """Leave; the last user stops the server and returns when it is gone."""
        self._closing.set()
        with self._guard, _explaining(self._folder):
            if self._users.closed:
                return
            try:
                # Let go before it is tried: of two that leave at once, the later is then alone.
                self._users.release()
                if self._users.try_own():
                    stop_postgres(self._place)
            finally:
                self._users.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _enter(self, find: Callable[[], Served | None]) -> bool:
        """Become a user of the server that is found, if one is."""
        found = None
        try:
            with self._turn():
                self._users.share(TURN_TIMEOUT_SECONDS)
                found = find()
        finally:
            if found is None:
                self._users.close()
        self._served = found or self._served
        return found is not None

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One at a time looks for the server and starts it."""
        lock = FileLock(self._folder / "start.lock")
        try:
            lock.own(TURN_TIMEOUT_SECONDS)
            yield
        finally:
            lock.close()


@contextlib.contextmanager
def _explaining(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, subprocess.SubprocessError, psycopg.Error) as error:
        raise EmbeddedServerError(
            f"The embedded PostgreSQL of the data folder {data_dir} failed: {error}"
        ) from error
