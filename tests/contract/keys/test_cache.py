"""What is remembered of a key, for how long, and what happens when nobody can be asked."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from exporter.catalogue.book import Catalogue
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.domain.access import Identity, Scope
from exporter.errors import Forbidden, LedgerUnavailable, Unauthenticated
from exporter.ingest import auth
from exporter.ingest.attempts import EVERY_SECONDS, RefusedAttempts
from exporter.ingest.auth import CACHE_SECONDS, MAX_CACHED, ApiKeys
from exporter.ledger.api_keys import KeyStore, StoredKey, revoke_key
from exporter.ledger.connection import make_pool
from exporter.ledger.lending import Lender
from exporter.ledger.migrate import migrate
from exporter.totals import Totals
from tests.support.keys import audited, make_key

LONGEST_SECONDS = 30.0


class CountingStore(KeyStore):
    """Counts how often the ledger was asked, and how often at once."""

    asked = 0
    now = 0
    most_at_once = 0

    async def find(self, digest: bytes) -> StoredKey | None:
        self.asked += 1
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            return await super().find(digest)
        finally:
            self.now -= 1


class Checked:
    """Keys that are checked with a clock of the test's own."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.seconds = 1000.0
        self.pool = make_pool(lambda: conninfo)
        health = Totals(Catalogue(), OWN_METRICS)
        lender = Lender(self.pool, health)
        self.store = CountingStore(lender)
        attempts = RefusedAttempts(lender, lambda: self.seconds)
        self.keys = ApiKeys(tuple, self.store, attempts, health, lambda: self.seconds)

    async def check(self, key: str, needed: Scope = Scope.INGEST) -> Identity:
        return await self.keys.check(f"Bearer {key}".encode(), needed, target="POST /x")

    async def refuses(self, key: str) -> bool:
        try:
            await self.check(key)
        except Unauthenticated:
            return True
        return False


@asynccontextmanager
async def checking(conninfo: str) -> AsyncIterator[Checked]:
    migrate(conninfo)
    checked = Checked(conninfo)
    async with checked.pool:
        yield checked


def never_made() -> str:
    return "bek_" + secrets.token_urlsafe(32)


async def test_a_known_key_is_looked_up_once_and_costs_no_more(database_url: str) -> None:
    async with checking(database_url) as checked:
        key_id, key = make_key(database_url, Scope.INGEST, organization_id="acme")
        identity = await checked.check(key)
        assert identity == Identity("ingest", frozenset({Scope.INGEST}), "acme", key_id)
    checked.seconds += CACHE_SECONDS - 0.1
    for _ in range(1000):
        coroutine = checked.keys.check(f"Bearer {key}".encode(), Scope.INGEST)
        with pytest.raises(StopIteration):  # it ends without waiting for anything
            coroutine.send(None)
    assert checked.store.asked == 1


async def test_a_revoked_key_opens_nothing_once_it_is_forgotten(database_url: str) -> None:
    assert CACHE_SECONDS <= LONGEST_SECONDS
    async with checking(database_url) as checked:
        key_id, key = make_key(database_url, Scope.INGEST)
        await checked.check(key)
        assert revoke_key(database_url, key_id, actor="a test")
        await checked.check(key)
        checked.seconds += CACHE_SECONDS
        assert await checked.refuses(key)
        with pytest.raises(Unauthenticated, match="revoked"):
            await checked.check(key)


async def test_a_key_ends_when_its_time_is_over_and_not_later(database_url: str) -> None:
    async with checking(database_url) as checked:
        _, key = make_key(database_url, Scope.INGEST, expires_seconds=5)
        await checked.check(key)
        checked.seconds += 5
        # Forgotten with its end; the ledger's clock has the word, and there it is good still.
        await checked.check(key)
        assert checked.store.asked == 2
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE ledger.api_keys SET expires_at = now()")
        checked.seconds += 5
        with pytest.raises(Unauthenticated, match="expired"):
            await checked.check(key)


async def test_an_unknown_key_is_remembered_as_briefly(database_url: str) -> None:
    async with checking(database_url) as checked:
        for key in (unknown := never_made(), unknown, unknown, never_made()):
            assert await checked.refuses(key)
        assert checked.store.asked == 2
        checked.seconds += CACHE_SECONDS
        assert await checked.refuses(unknown)
        assert checked.store.asked == 3


async def test_what_no_key_looks_like_is_refused_without_asking(database_url: str) -> None:
    async with checking(database_url) as checked:
        for key in ("x", "bek_", "sk_live_" + "x" * 39, never_made() + "x", never_made()[1:]):
            assert await checked.refuses(key)
    assert checked.store.asked == 0


async def test_without_a_database_no_key_is_called_unknown(database_url: str) -> None:
    async with checking(database_url) as checked:
        _, key = make_key(database_url, Scope.INGEST)
        await checked.check(key)
    await checked.check(key)
    with pytest.raises(LedgerUnavailable):
        await checked.check(never_made())
    checked.seconds += CACHE_SECONDS
    with pytest.raises(LedgerUnavailable):
        await checked.check(key)


async def test_a_failure_to_ask_is_not_remembered(database_url: str) -> None:
    checked = Checked(database_url)
    async with checked.pool:
        with pytest.raises(LedgerUnavailable):  # there is no table yet
            await checked.check(key := never_made())
        migrate(database_url)
        assert await checked.refuses(key)


async def test_a_flood_of_unknown_keys_is_bounded(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MAX_CACHED", 50)
    assert MAX_CACHED <= 10_000
    async with checking(database_url) as checked:
        _, key = make_key(database_url, Scope.INGEST)
        await checked.check(key)
        flood = [never_made() for _ in range(200)]
        assert all(await asyncio.gather(*(checked.refuses(key) for key in flood)))
        assert checked.store.asked == 201
        assert checked.store.most_at_once == 2
        held = vars(checked.keys)
        assert len(held["_bad"]) == 50
        # The good one was not driven out.
        await checked.check(key)
        assert checked.store.asked == 201


async def test_many_requests_with_a_new_key_ask_for_it_once(database_url: str) -> None:
    async with checking(database_url) as checked:
        _, key = make_key(database_url, Scope.INGEST)
        await asyncio.gather(*(checked.check(key) for _ in range(100)))
        # As many as may ask at once began before the first answer came.
        assert checked.store.asked <= 2


async def test_no_key_is_held_in_clear(database_url: str) -> None:
    async with checking(database_url) as checked:
        _, key = make_key(database_url, Scope.INGEST)
        await checked.check(key)
        assert await checked.refuses(other := never_made())
        held = repr(vars(checked.keys))
        assert "ingest" in held
        assert key not in held
        assert other not in held


async def test_refused_admin_attempts_are_written_down_once_a_minute_each(
    database_url: str,
) -> None:
    async with checking(database_url) as checked:
        key_id, key = make_key(database_url, Scope.INGEST)

        async def attempt(times: int) -> None:
            for _ in range(times):
                with pytest.raises(Forbidden):
                    await checked.check(key, Scope.ADMIN)
                with pytest.raises(Unauthenticated):
                    await checked.check(never_made(), Scope.ADMIN)

        await attempt(5)
        checked.seconds += EVERY_SECONDS
        await attempt(1)
        await checked.check(key)

    def row(actor: str, reason: str, before: int) -> tuple[str, str, str, dict[str, object]]:
        return actor, "POST /x", "refused", {"reason": reason, "unwritten_before": before}

    assert audited(database_url, "admin.attempt") == [
        row(f"key ingest ({key_id})", "scope", 0),
        row("nobody", "unknown", 0),
        row(f"key ingest ({key_id})", "scope", 4),
        row("nobody", "unknown", 4),
    ]


async def test_what_is_about_every_organisation_is_for_no_key_of_one(database_url: str) -> None:
    async with checking(database_url) as checked:
        for organization_id in (None, "acme"):
            _, key = make_key(database_url, Scope.READ, organization_id=organization_id)
            value = f"Bearer {key}".encode()
            await checked.keys.check(value, Scope.READ)
            if organization_id is None:
                await checked.keys.check(value, Scope.READ, every_organization=True)
                continue
            with pytest.raises(Forbidden, match="about all of them"):
                await checked.keys.check(value, Scope.READ, every_organization=True)


async def test_a_scope_that_this_version_does_not_know_gives_no_right(database_url: str) -> None:
    async with checking(database_url) as checked:
        _, key = make_key(database_url, Scope.INGEST, Scope.READ)
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE ledger.api_keys SET scopes = '{read,everything}'")
        assert (await checked.check(key, Scope.READ)).scopes == {Scope.READ}
        with pytest.raises(Forbidden, match="'ingest'"):
            await checked.check(key)
