"""How the users of one data folder share its server."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from exporter.errors import EmbeddedServerError
from exporter.ledger.embedded import EmbeddedServer
from tests.support.postgres import (
    Opener,
    ask,
    live_postmaster,
    postmaster_of,
    reachable_folder,
)


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A folder that every test leaves with its server stopped."""
    with reachable_folder() as folder:
        yield folder / "data"


def test_the_last_user_to_leave_stops_the_server(data_dir: Path) -> None:
    first = EmbeddedServer.open(data_dir)
    second = EmbeddedServer.open(data_dir)
    found = EmbeddedServer.find_running(data_dir)
    assert found is not None
    assert first.url() == second.url() == found.url()
    assert first.version == found.version
    first.close()
    found.close()
    assert ask(second, "SELECT 1") == 1
    second.close()
    assert postmaster_of(data_dir) is None


def test_another_process_shares_it_and_may_be_the_last(data_dir: Path) -> None:
    with Opener(data_dir) as opener:
        with EmbeddedServer.open(data_dir) as server:
            assert server.url() == opener.url()
        live_postmaster(data_dir)
        opener.finish()
    assert postmaster_of(data_dir) is None


def test_a_killed_user_leaves_the_server_to_the_next(data_dir: Path) -> None:
    with Opener(data_dir) as opener:
        url = opener.url()
        before = live_postmaster(data_dir)
        opener.kill()
    with EmbeddedServer.open(data_dir) as server:
        assert server.url() == url
        assert live_postmaster(data_dir) == before
        assert ask(server, "SELECT 1", role="billing") == 1
    assert postmaster_of(data_dir) is None


def test_openers_of_a_new_folder_at_the_same_moment_get_one_server(data_dir: Path) -> None:
    data_dir = data_dir.with_name("new")
    with Opener(data_dir) as one, Opener(data_dir) as another, ThreadPoolExecutor(3) as pool:
        servers = list(pool.map(lambda _: EmbeddedServer.open(data_dir), range(3)))
        assert len({one.url(), another.url(), *(server.url() for server in servers)}) == 1
        for server in servers:
            server.close()
        live_postmaster(data_dir)
        one.finish()
        another.finish()
    assert postmaster_of(data_dir) is None


def test_users_who_leave_at_the_same_moment_leave_nothing_behind(data_dir: Path) -> None:
    for _ in range(5):
        servers = [EmbeddedServer.open(data_dir) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(EmbeddedServer.close, servers))
        assert postmaster_of(data_dir) is None


def test_one_that_opens_while_the_last_leaves_gets_a_server(data_dir: Path) -> None:
    server = EmbeddedServer.open(data_dir)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(5):
            leaving = pool.submit(server.close)
            server = EmbeddedServer.open(data_dir)
            leaving.result()
            assert ask(server, "SELECT 1", role="billing") == 1
    server.close()


def test_find_running_starts_and_makes_nothing(data_dir: Path) -> None:
    EmbeddedServer.open(data_dir).close()
    absent = data_dir.with_name("absent")
    assert EmbeddedServer.find_running(absent) is None
    assert not absent.exists()
    absent.mkdir()
    assert EmbeddedServer.find_running(absent) is None
    assert [*absent.iterdir()] == []
    assert EmbeddedServer.find_running(data_dir) is None
    assert postmaster_of(data_dir) is None


def test_the_server_has_a_session_and_no_lock_of_its_starter(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir):
        pid = live_postmaster(data_dir).pid
        assert os.getsid(pid) == pid
        held = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
        assert not [path for path in held if path.endswith(("users.lock", "start.lock"))]


def test_closing_cuts_off_clients_and_is_quick(data_dir: Path) -> None:
    server = EmbeddedServer.open(data_dir)
    with psycopg.connect(server.conninfo(), autocommit=True) as client:
        client.execute("SELECT 1")
        started = time.monotonic()
        server.close()
        assert time.monotonic() - started < 5
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")


def test_a_server_that_ignores_the_fast_stop_is_stopped_at_once(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "exporter.ledger.processes.STOP_STEPS", ((signal.SIGCONT, 0.2), (signal.SIGQUIT, 10.0))
    )
    EmbeddedServer.open(data_dir).close()
    assert postmaster_of(data_dir) is None


def test_closing_twice_is_closing_once(data_dir: Path) -> None:
    server = EmbeddedServer.open(data_dir)
    server.close()
    with EmbeddedServer.open(data_dir) as other:
        server.close()
        with pytest.raises(EmbeddedServerError, match="closed"):
            server.ensure_running()
        assert ask(other, "SELECT 1") == 1
