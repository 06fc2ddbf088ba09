"""Connections for requests: of one organisation, they see no other, and keep nothing of it."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from exporter.catalogue.book import Catalogue
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.ledger.connection import Connection, make_pool
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.lending import Lender
from exporter.totals import Totals
from tests.support.access import FOREIGN, OURS, Shown, two_organizations
from tests.support.writing import ask

_WHO = "SELECT current_user::text, current_setting('billing.organization_id', true)"
_SEEN = "SELECT DISTINCT organization_id FROM shared.usage"


@pytest.fixture(scope="module", params=["postgres", "oldest_postgres"])
def shown(request: pytest.FixtureRequest) -> Iterator[Shown]:
    """The two organisations, on each of the two servers."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, EmbeddedServer)
    with two_organizations(server) as found:
        yield found


@contextlib.asynccontextmanager
async def lending(conninfo: str) -> AsyncIterator[Lender]:
    """A lender whose pool has one connection, so that everybody is lent the same."""
    pool = make_pool(lambda: conninfo)
    await pool.open()
    await pool.resize(1, 1)
    try:
        yield Lender(pool, Totals(Catalogue(), OWN_METRICS))
    finally:
        await pool.close()


async def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return await (await connection.execute(query.encode())).fetchall()


async def test_a_request_of_an_organization_sees_nothing_of_others(shown: Shown) -> None:
    async with lending(shown.owner) as lender:
        for organization in (OURS, FOREIGN):
            async with lender.borrow_to_read("find_key", organization) as connection:
                assert await rows(connection, _WHO) == [("billing_reader", organization)]
                assert await rows(connection, _SEEN) == [(organization,)]
        async with lender.borrow_to_read("find_key", "' OR true --") as connection:
            assert await rows(connection, _SEEN) == []


async def test_it_may_not_write_nor_read_what_is_the_ledgers_own(shown: Shown) -> None:
    async with lending(shown.owner) as lender:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            async with lender.borrow_to_read("find_key", OURS) as connection:
                await connection.execute("DELETE FROM shared.usage")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with lender.borrow_to_read("find_key", OURS) as connection:
                await connection.execute("TABLE ledger.api_keys")
        async with lender.borrow("find_key") as connection:
            assert len(await rows(connection, _SEEN)) == 2


async def test_the_next_request_on_the_connection_is_the_exporters_own(shown: Shown) -> None:
    async with lending(shown.owner) as lender:
        async with lender.borrow_to_read("find_key", OURS) as connection:
            first = connection.info.backend_pid
        async with lender.borrow("find_key") as connection:
            assert connection.info.backend_pid == first
            assert await rows(connection, _WHO) == [("billing", "")]
            assert len(await rows(connection, _SEEN)) == 2


async def test_without_the_readers_role_the_exporter_asks_as_itself(shown: Shown) -> None:
    superuser = shown.server.conninfo("postgres")
    ask(superuser, "REVOKE billing_reader FROM billing")
    try:
        async with (
            lending(shown.owner) as lender,
            lender.borrow_to_read("find_key", OURS) as connection,
        ):
            assert await rows(connection, _WHO) == [("billing", OURS)]
            assert len(await rows(connection, _SEEN)) == 2
    finally:
        ask(superuser, "GRANT billing_reader TO billing")


async def test_a_role_that_may_not_be_taken_is_not_tried(shown: Shown) -> None:
    """As PostgreSQL 16 and newer leave it to who makes a role without being a superuser."""
    superuser = shown.server.conninfo("postgres")
    if ask(superuser, "SHOW server_version_num") < [("160000",)]:
        with pytest.raises(psycopg.errors.SyntaxError):
            ask(superuser, "GRANT billing_reader TO billing WITH SET FALSE")
        return
    ask(superuser, "GRANT billing_reader TO billing WITH SET FALSE")
    try:
        async with (
            lending(shown.owner) as lender,
            lender.borrow_to_read("find_key", OURS) as connection,
        ):
            assert await rows(connection, _WHO) == [("billing", OURS)]
    finally:
        ask(superuser, "GRANT billing_reader TO billing WITH SET TRUE")
