"""What happens to the embedded server when processes die and files lie."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from exporter.errors import EmbeddedServerError
from exporter.ledger import processes
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.launcher import Launcher
from exporter.ledger.place import find_place
from tests.support.postgres import (
    Opener,
    ask,
    copy_data_dir,
    end_server,
    live_postmaster,
    postmaster_of,
    reachable_folder,
)
from tests.support.tools import find_postgres_bin
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A folder that every test leaves whole, with its server stopped."""
    with reachable_folder() as folder:
        EmbeddedServer.open(folder / "data").close()
        yield folder / "data"


@pytest.fixture
def copied_dir(data_dir: Path) -> Iterator[Path]:
    """A copy of that folder, to be damaged."""
    with reachable_folder() as folder:
        copy_data_dir(data_dir, folder / "data")
        yield folder / "data"


def store(server: EmbeddedServer, number: int) -> None:
    with psycopg.connect(server.conninfo()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS stored (number int)")
        connection.execute("TRUNCATE stored")
        connection.execute("INSERT INTO stored VALUES (%s)", [number])


def stored(server: EmbeddedServer) -> int:
    return int(ask(server, "SELECT number FROM stored", role="billing"))


@pytest.mark.parametrize("origin", ["package", "system"])
def test_what_was_committed_outlives_a_killed_postgres(data_dir: Path, origin: str) -> None:
    binaries = None
    if origin == "system":
        binaries = find_postgres_bin()
        data_dir = data_dir.with_name("data-of-the-system")
    with EmbeddedServer.open(data_dir, binaries=binaries) as first:
        store(first, 42)
        end_server(data_dir, signal.SIGKILL)
        with EmbeddedServer.open(data_dir, binaries=binaries) as second:
            assert stored(second) == 42
            assert stored(first) == 42


def test_ensure_running_heals_a_killed_postgres_at_its_port(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        store(server, 7)
        url = server.url()
        with psycopg.connect(server.conninfo()) as client, ThreadPoolExecutor(1) as pool:
            # A backend that computes doesn't notice by itself that its postmaster is gone.
            endless = pool.submit(
                client.execute, "SELECT count(*) FROM generate_series(1, 1000000000000)"
            )
            wait_until(lambda: busy_backends(server), 10, "the endless query runs")
            started = time.monotonic()
            end_server(data_dir, signal.SIGKILL)
            server.ensure_running()
            assert time.monotonic() - started < 5
            assert isinstance(endless.exception(10), psycopg.OperationalError)
        assert server.url() == url
        assert stored(server) == 7


def busy_backends(server: EmbeddedServer) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'generate_series' AND pid <> "
    return int(ask(server, query + "pg_backend_pid()"))


def test_ensure_running_leaves_a_running_server_alone(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        before = live_postmaster(data_dir)
        server.ensure_running()
        assert live_postmaster(data_dir) == before


def test_several_users_heal_it_together_without_harm(data_dir: Path) -> None:
    servers = [EmbeddedServer.open(data_dir) for _ in range(4)]
    store(servers[0], 7)
    end_server(data_dir, signal.SIGKILL)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(EmbeddedServer.ensure_running, servers))
    assert [stored(server) for server in servers] == [7] * 4
    for server in servers:
        server.close()
    assert postmaster_of(data_dir) is None


def test_healing_moves_to_another_port_when_the_old_one_is_taken(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server, EmbeddedServer.open(data_dir) as other:
        store(server, 7)
        url = server.url()
        port = live_postmaster(data_dir).port
        end_server(data_dir, signal.SIGKILL)
        with socket.create_server(("127.0.0.1", port)):
            server.ensure_running()
        assert server.url() != url
        other.ensure_running()
        assert other.url() == server.url()
        assert stored(other) == 7


def test_a_dead_server_leaves_no_zombie(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir):
        pid = live_postmaster(data_dir).pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), 5, "the process is reaped")


def test_a_pid_file_whose_number_another_process_has_does_not_block(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        store(server, 7)
    account = find_place(data_dir).account
    data = data_dir / "postgres" / "data"
    user = account.uid if account.dropped else None
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=user) as bystander:
        (data / "postmaster.pid").write_text(f"{bystander.pid}\n{data}\n1\n5432\n\n\n\nready\n")
        with EmbeddedServer.open(data_dir) as server:
            assert stored(server) == 7
        assert bystander.poll() is None


def test_a_server_that_is_out_of_sight_is_not_doubled(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "REMAINS_TIMEOUT_SECONDS", 0.1)
    lock = processes.server_lock(find_place(data_dir))
    lock.own(0)  # as a server in another container does, whose processes can't be seen
    with pytest.raises(EmbeddedServerError, match=r"postmaster\.pid"):
        EmbeddedServer.open(data_dir)
    lock.close()
    EmbeddedServer.open(data_dir).close()


def test_another_folders_server_at_the_recorded_port_is_not_adopted(data_dir: Path) -> None:
    other_dir = data_dir.with_name("other")
    with EmbeddedServer.open(data_dir) as server, EmbeddedServer.open(other_dir) as other:
        store(other, 7)
        port = live_postmaster(data_dir).port
        (other_dir / "postgres.json").write_text(json.dumps({"port": port}))
        with EmbeddedServer.open(other_dir) as again:
            assert again.url() == other.url() != server.url()
            assert stored(again) == 7


def test_a_copy_of_a_running_folder_gets_a_server_of_its_own(data_dir: Path) -> None:
    copy_dir = data_dir.with_name("copy")
    with EmbeddedServer.open(data_dir) as server:
        store(server, 7)
        ask(server, "CHECKPOINT")
        copy_data_dir(data_dir, copy_dir)
        with EmbeddedServer.open(copy_dir) as copy:
            assert copy.url() != server.url()
            store(copy, 8)
            # Even with the same identifier, password and recorded port it stays the copy.
            shutil.copy(data_dir / "postgres.json", copy_dir / "postgres.json")
            with EmbeddedServer.open(copy_dir) as again:
                assert again.url() == copy.url()
            assert (stored(copy), stored(server)) == (8, 7)


def test_a_server_whose_folder_moved_is_told_at_once(copied_dir: Path) -> None:
    with Opener(copied_dir) as opener:
        url = opener.url()
        opener.kill()
    moved_dir = copied_dir.rename(copied_dir.with_name("moved"))
    with pytest.raises(EmbeddedServerError, match="kill -INT"):
        EmbeddedServer.open(moved_dir)
    end_server(moved_dir)
    with EmbeddedServer.open(moved_dir) as server:
        assert server.url() == url
        assert ask(server, "SELECT 1", role="billing") == 1


def test_the_lost_superuser_password_is_named(copied_dir: Path) -> None:
    (copied_dir / "postgres.pgpass").unlink()
    with pytest.raises(EmbeddedServerError, match=r"postgres\.pgpass is missing"):
        EmbeddedServer.open(copied_dir)


def test_a_wrong_superuser_password_is_told_at_once_and_nothing_stays(copied_dir: Path) -> None:
    passfile = copied_dir / "postgres.pgpass"
    passfile.write_text("127.0.0.1:*:*:postgres:wrong\n")
    with pytest.raises(EmbeddedServerError, match="password authentication failed"):
        EmbeddedServer.open(copied_dir)
    assert postmaster_of(copied_dir) is None


def test_what_is_missing_of_the_roles_is_made_again(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        admin = make_conninfo(server.conninfo("postgres"), dbname="postgres")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("DROP DATABASE billing")
            connection.execute("DROP ROLE billing_operator")
        (data_dir / "billing.pgpass").unlink()
        with EmbeddedServer.open(data_dir) as again:
            assert ask(again, "SELECT current_user::text", role="billing") == "billing"
            assert ask(again, "SELECT current_user::text", role="billing_operator")


def test_closing_interrupts_a_wait_for_a_server_that_does_not_answer(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir):
        (data_dir / "postgres.json").unlink()
        closing = threading.Event()
        closing.set()
        with pytest.raises(EmbeddedServerError, match="Closed while"):
            Launcher(data_dir, find_place(data_dir), None, closing).adopt()
