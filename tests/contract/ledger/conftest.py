"""Databases on both servers: the one that comes with the exporter, and the distribution's."""

from collections.abc import Iterator

import psycopg
import pytest

from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from tests.support.database import new_database
from tests.support.passes import Connection
from tests.support.postgres import reachable_folder
from tests.support.tools import find_postgres_bin

_PLAN = """
INSERT INTO shared.plan_meters (
    plan, meter, quota, currency, decimals, tier_units, tier_prices
) VALUES ('pro', 'fix', 20000, 'usd', 2, '{0}', '{1}')
"""
_EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();
DROP SCHEMA IF EXISTS ledger, shared CASCADE
"""


@pytest.fixture(scope="session")
def oldest_postgres() -> Iterator[EmbeddedServer]:
    """The oldest PostgreSQL of the distribution that is new enough."""
    binaries = find_postgres_bin()
    with (
        reachable_folder() as folder,
        EmbeddedServer.open(folder / "oldest", binaries=binaries) as server,
    ):
        yield server


@pytest.fixture(params=["postgres", "oldest_postgres"])
def any_postgres(request: pytest.FixtureRequest) -> EmbeddedServer:
    """The test runs on each of the two servers."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, EmbeddedServer)
    return server


@pytest.fixture(scope="session")
def newest_database(postgres: EmbeddedServer) -> Iterator[str]:
    """A database that is emptied after each test, which is quicker than making one each time."""
    with new_database(postgres) as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def oldest_database(oldest_postgres: EmbeddedServer) -> Iterator[str]:
    """The same on the other server."""
    with new_database(oldest_postgres) as conninfo:
        yield conninfo


@pytest.fixture
def database_url(newest_database: str) -> Iterator[str]:
    """An empty database."""
    yield newest_database
    _empty(newest_database)


@pytest.fixture(params=["newest_database", "oldest_database"])
def any_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database on each of the two servers."""
    conninfo = request.getfixturevalue(request.param)
    yield conninfo
    _empty(conninfo)


def _empty(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_EMPTY.encode())


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A ledger with one plan, in which a unit costs a cent, and which everybody has."""
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_PLAN)
        connection.execute("UPDATE shared.billing_settings SET default_plan = 'pro'")
        yield connection
