"""Finds the server of a data folder by connecting, or starts it."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from exporter.errors import EmbeddedServerError
from exporter.ledger import cluster, processes, roles
from exporter.ledger.binaries import Binaries, choose_binaries
from exporter.ledger.locks import polls
from exporter.ledger.place import Place, Record, reachable_binaries
from exporter.ledger.ports import HOST, find_free_port, is_free
from exporter.ledger.probe import ForeignServerError, NoServerError, connect_to_cluster

ANSWER_TIMEOUT_SECONDS = 30.0
RECOVERY_TIMEOUT_SECONDS = 1800.0  # replaying 2 GB of WAL on a slow disk is no failure
PORT_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Served:
    """A server that proved to be the cluster's; `version` is like "18.6"."""

    port: int
    version: str


class Launcher:
    """For one process at a time: whoever calls it holds the data folder's start lock.

    All waiting ends with EmbeddedServerError once `closing` is set.
    """

    def __init__(
        self,
        data_folder: Path,
        place: Place,
        wanted_binaries: Path | None,
        closing: threading.Event,
    ) -> None:
        self._folder = data_folder
        self._place = place
        self._wanted_binaries = wanted_binaries
        self._closing = closing

    def adopt_or_start(self) -> Served:
        return self.adopt() or self._start()

    def adopt(self) -> Served | None:
        """The server that runs, once it answers; None if none runs."""
        if not processes.is_served(self._place):
            return None
        recorded = Record.read(self._folder).port
        if recorded:
            with contextlib.suppress(NoServerError, ForeignServerError):
                return self._take(recorded)
        return self._await(self._postmaster_port)

    def _start(self) -> Served:
        self._place.make()
        cluster.remove_left_overs(self._place)
        major = cluster.cluster_major(self._place)
        chosen = choose_binaries(self._wanted_binaries, major)
        binaries = reachable_binaries(chosen, self._place.account)
        self._provide_cluster(binaries, exists=major is not None)
        port = Record.read(self._folder).port
        for _ in range(PORT_ATTEMPTS):
            if port is None or not is_free(port):
                port = find_free_port()
            if served := self._run(binaries, port):
                return served
        raise EmbeddedServerError(
            f"{PORT_ATTEMPTS} ports of {HOST} were each taken while PostgreSQL started."
        )

    def _provide_cluster(self, binaries: Binaries, *, exists: bool) -> None:
        passfile = roles.passfile(self._folder, roles.SUPERUSER)
        password = roles.read_password(passfile)
        if password is None and exists:
            raise EmbeddedServerError(
                f"{passfile} is missing, and without it nobody gets into the cluster in "
                f"{self._place.folder}. Put it back, or remove that folder to begin anew."
            )
        if password is None:
            password = roles.make_password()
            roles.write_passfile(passfile, roles.SUPERUSER, password)
        if not exists:
            cluster.make_cluster(self._place, binaries, password)

    def _run(self, binaries: Binaries, port: int) -> Served | None:
        """Start the server at the port; None if something else took that first."""
        lock = processes.server_lock(self._place)
        try:
            processes.clear_remains(self._place, lock)
            log_start_bytes = cluster.log_size_bytes(self._place)
            process = cluster.spawn_postgres(self._place, binaries, port, lock)
        finally:
            lock.close()
        try:
            # Whenever it ends: a zombie would keep its number, and look alive to PostgreSQL.
            threading.Thread(target=process.wait, name="postgres-reaper", daemon=True).start()
            if served := self._await(lambda: port if process.poll() is None else None):
                return served
        except BaseException:
            process.send_signal(signal.SIGINT)
            processes.stop_postgres(self._place)
            raise
        if not is_free(port):
            return None
        raise EmbeddedServerError(
            f"{binaries} ended while it started, with exit status {process.returncode}. "
            f"{self._place.log} ends:\n{cluster.log_tail(self._place, log_start_bytes)}"
        )

    def _await(self, live_port: Callable[[], int | None]) -> Served | None:
        """Wait until the cluster answers at its port; None once there is no such process."""
        silent_until = time.monotonic() + ANSWER_TIMEOUT_SECONDS
        reason = "nothing answers"
        for _ in polls(RECOVERY_TIMEOUT_SECONDS):
            if self._closing.is_set():
                raise EmbeddedServerError("Closed while the embedded PostgreSQL was starting.")
            port = live_port()
            if port is None:
                return None
            try:
                return self._take(port)
            except NoServerError as error:
                reason = str(error)
                if not error.starting and time.monotonic() > silent_until:
                    break
            except ForeignServerError as error:
                reason = str(error)
                postmaster = processes.find_postmaster(self._place)
                if time.monotonic() > silent_until or (postmaster and postmaster.ready):
                    break
        raise EmbeddedServerError(
            f"The PostgreSQL of {self._place.data} runs and can't be used: {reason}. Its log is "
            f"{self._place.log}; the first line of postmaster.pid is its process, "
            "which `kill -INT` stops."
        )

    def _take(self, port: int) -> Served:
        """Make the server at the port complete; NoServerError or ForeignServerError if not ours."""
        with contextlib.closing(connect_to_cluster(self._place, self._folder, port)) as connection:
            number = connection.info.server_version
            try:
                roles.prepare_roles(connection, self._folder)
            except psycopg.OperationalError as error:
                if connection.broken:
                    raise NoServerError(str(error).strip()) from error
                raise
        inside = self._place.folder.is_relative_to(self._folder)
        record = Record(port, None if inside else self._place.folder)
        if record != Record.read(self._folder):
            record.write(self._folder)
        return Served(port, f"{number // 10000}.{number % 10000}")

    def _postmaster_port(self) -> int | None:
        postmaster = processes.find_postmaster(self._place)
        return postmaster.port if postmaster else None
