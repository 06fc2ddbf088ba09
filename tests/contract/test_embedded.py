"""What one opens: the cluster, its roles, its secrets and its settings."""

import itertools
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporter.errors import EmbeddedServerError
from exporter.ledger import cluster, launcher, roles
from exporter.ledger.binaries import ENVIRONMENT, choose_binaries
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.place import find_place, make_data_folder, reachable_binaries
from exporter.ledger.ports import find_free_port
from tests.support.postgres import (
    Opener,
    ask,
    live_postmaster,
    reachable_folder,
)
from tests.support.tools import find_postgres_bin
from tests.support.waiting import wait_until


@pytest.fixture(scope="module", params=["package", "system"])
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[Path, EmbeddedServer]]:
    """A data folder and its server, of either version; not to be stopped."""
    binaries = find_postgres_bin() if request.param == "system" else None
    with reachable_folder() as folder:
        data_dir = folder / "data dir"
        with EmbeddedServer.open(data_dir, binaries=binaries) as server:
            yield data_dir, server


@pytest.fixture
def server(opened: tuple[Path, EmbeddedServer]) -> EmbeddedServer:
    return opened[1]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder / "data"


def port_of(server: EmbeddedServer) -> int:
    return int(str(conninfo_to_dict(server.conninfo())["port"]))


def test_the_first_open_gives_a_database_to_write_to(server: EmbeddedServer) -> None:
    ask(server, "CREATE TABLE written (number int)", role="billing")
    ask(server, "INSERT INTO written VALUES (42)", role="billing")
    assert ask(server, "SELECT number FROM written", role="billing") == 42
    assert ask(server, "SELECT current_database()", role="billing") == "billing"


def test_the_version_is_the_servers_own(server: EmbeddedServer) -> None:
    assert re.fullmatch(r"\d+\.\d+", server.version)
    assert ask(server, "SHOW server_version").split()[0] == server.version


def test_only_loopback_is_listened_on_and_no_socket_file(server: EmbeddedServer) -> None:
    port = port_of(server)
    assert server.url() == f"postgresql://billing@127.0.0.1:{port}/billing"
    assert ask(server, "SHOW unix_socket_directories") == ""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.2", port))  # refused if any address but 127.0.0.1 were taken
        other.listen()


def test_everyone_has_to_prove_a_password_by_scram(server: EmbeddedServer) -> None:
    methods = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules"
    assert ask(server, methods) == "scram-sha-256"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(make_conninfo(server.conninfo(), passfile="/dev/null"))


def test_data_is_checked_durable_and_in_a_known_locale(server: EmbeddedServer) -> None:
    settings = {
        "data_checksums": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "server_encoding": "UTF8",
        "max_wal_size": "2GB",
        "wal_compression": "off",
        "checkpoint_timeout": "15min",
        "max_connections": "50",
        "jit": "off",
        "logging_collector": "off",
        "TimeZone": "UTC",
    }
    assert {name: ask(server, f"SHOW {name}") for name in settings} == settings
    megabytes = "SELECT setting::int * 8 / 1024 FROM pg_settings WHERE name = 'shared_buffers'"
    assert 16 <= ask(server, megabytes) <= 1024
    locale = "SELECT datcollate FROM pg_database WHERE datname = 'billing'"
    assert ask(server, locale) in {"C.UTF-8", "C"}


def test_roles_have_no_more_rights_than_they_need(server: EmbeddedServer) -> None:
    rights = """
        SELECT bool_or(rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication)
        FROM pg_roles WHERE rolname IN ('billing', 'billing_operator')"""
    assert ask(server, rights) is False
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'billing'"
    assert ask(server, owner) == "billing"
    assert ask(server, "SELECT current_user::text", role="billing_operator") == "billing_operator"
    members = """
        SELECT array_agg(ARRAY[member::regrole, roleid::regrole]::text[]) FROM pg_auth_members
        WHERE member > 16383"""
    assert ask(server, members) == [["billing", "billing_reader"]]
    parts = "SELECT rolcanlogin OR rolsuper FROM pg_roles WHERE rolname = 'billing_reader'"
    assert ask(server, parts) is False
    for statement in ("CREATE TABLE mine (x int)", "CREATE TEMP TABLE mine (x int)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(server, statement, role="billing_operator")
    for role in ("billing", "billing_operator"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(make_conninfo(server.conninfo(role), dbname="postgres"))
    with pytest.raises(EmbeddedServerError, match="no role nobody"):
        server.conninfo("nobody")


def test_passwords_are_in_private_files_and_nowhere_else(
    opened: tuple[Path, EmbeddedServer],
) -> None:
    data_dir, server = opened
    passfiles = sorted(data_dir.glob("*.pgpass"))
    names = ["billing.pgpass", "billing_operator.pgpass", "postgres.pgpass"]
    assert [file.name for file in passfiles] == names
    assert {file.stat().st_mode & 0o777 for file in passfiles} == {0o600}
    passwords = {file.read_text().strip().rpartition(":")[2].encode() for file in passfiles}
    assert len(passwords) == 3
    assert min(map(len, passwords)) >= 43  # 256 bits in base64
    others = [path for path in data_dir.rglob("*") if path.is_file() and path not in passfiles]
    processes = [
        Path(f"/proc/{live_postmaster(data_dir).pid}/{name}") for name in ("cmdline", "environ")
    ]
    assert any(path.name == "postgres.log" for path in others)
    for path in [*others, *processes]:
        assert not any(password in path.read_bytes() for password in passwords), path
    said = server.conninfo() + server.url()
    assert not any(password.decode() in said for password in passwords)


def test_the_callers_environment_does_not_leak_in(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaks = {
        "PGDATA": "/nowhere",
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGDATABASE": "nowhere",
        "PGPASSWORD": "wrong",
        "PGPASSFILE": "/dev/null",
        "PGOPTIONS": "-c default_transaction_read_only=on",
        "PGSSLMODE": "require",
        "PGCLIENTENCODING": "LATIN1",
        "LC_ALL": "tr_TR.UTF-8",
        "LANG": "tr_TR.UTF-8",
        "TZ": "Asia/Kathmandu",
        "MALLOC_PERTURB_": "1",
    }
    for name, value in leaks.items():
        monkeypatch.setenv(name, value)
    with EmbeddedServer.open(data_dir) as server:
        assert ask(server, "SHOW default_transaction_read_only", role="billing") == "off"
        assert ask(server, "SHOW client_encoding") == "UTF8"
        environ = Path(f"/proc/{live_postmaster(data_dir).pid}/environ").read_bytes()
        names = {line.partition(b"=")[0].decode() for line in environ.split(b"\0") if line}
        # LC_* are PostgreSQL's own, from the cluster's configuration.
        assert {name for name in names if not name.startswith(("LC_", "PG_"))} <= set(ENVIRONMENT)
        assert ask(server, "SHOW lc_messages") == "C"


def test_a_system_without_the_locale_gets_plain_c(data_dir: Path) -> None:
    place = find_place(make_data_folder(data_dir))
    place.make()
    password = roles.make_password()
    roles.write_passfile(roles.passfile(data_dir, "postgres"), "postgres", password)
    binaries = reachable_binaries(choose_binaries(None, None), place.account)
    cluster.make_cluster(place, binaries, password, ("no_SUCH.UTF-8", "C"))
    with EmbeddedServer.open(data_dir) as server:
        query = "SELECT datcollate FROM pg_database WHERE datname = 'billing'"
        assert ask(server, query) == "C"
        assert ask(server, "SHOW server_encoding") == "UTF8"


def test_an_initdb_that_was_killed_half_way_is_done_again(data_dir: Path) -> None:
    folder = data_dir / "postgres"
    with Opener(data_dir) as opener:
        wait_until(lambda: [*folder.glob("partial.*/global")], 10, "initdb is at work")
        opener.kill()
    assert not (folder / "data").exists()
    with EmbeddedServer.open(data_dir) as server:
        assert ask(server, "SELECT 1", role="billing") == 1
    assert not [*folder.glob("password.*")]


def test_a_start_that_fails_says_why_at_once(data_dir: Path) -> None:
    EmbeddedServer.open(data_dir).close()
    with (data_dir / "postgres" / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerError, match="no_such_setting") as failure:
        EmbeddedServer.open(data_dir)
    for passfile in data_dir.glob("*.pgpass"):
        assert passfile.read_text().strip().rpartition(":")[2] not in str(failure.value)


def test_the_port_is_kept_while_it_is_free(data_dir: Path) -> None:
    with EmbeddedServer.open(data_dir) as server:
        port = port_of(server)
    with EmbeddedServer.open(data_dir) as server:
        assert port_of(server) == port
    with socket.create_server(("127.0.0.1", port)), EmbeddedServer.open(data_dir) as server:
        assert port_of(server) != port
        assert ask(server, "SELECT 1", role="billing") == 1


def test_a_port_that_is_taken_while_it_starts_is_replaced(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as thief:
        taken = thief.getsockname()[1]
        ports = itertools.chain([taken], iter(find_free_port, None))
        monkeypatch.setattr(launcher, "find_free_port", lambda: next(ports))
        with EmbeddedServer.open(data_dir) as server:
            assert f":{taken}/" not in server.url()
            assert ask(server, "SELECT 1", role="billing") == 1


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(EmbeddedServerError, match=re.escape(os.fspath(blocked))):
        EmbeddedServer.open(blocked / "data")
