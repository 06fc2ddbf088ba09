"""Keys of the settings, and those that can't be looked up: this store has no database."""

import pytest

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.domain.access import Scope
from exporter.errors import LedgerUnavailable, Unauthenticated
from exporter.ingest.attempts import RefusedAttempts
from exporter.ingest.auth import ApiKeys
from exporter.ledger.api_keys import KeyStore
from exporter.ledger.connection import make_pool
from exporter.ledger.lending import Lender
from exporter.totals import Totals

KEY = "an-admin-key-\u00e9\u00e8"
OTHER = "another-admin-key"
NEVER_MADE = b"Bearer bek_" + b"x" * 43


class Settings:
    """What the settings say at the moment."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys
        self.health = Totals(Catalogue(), OWN_METRICS)
        pool = make_pool(lambda: "postgresql://127.0.0.1:1/none")  # never opened
        lender = Lender(pool, self.health)
        self.checked = ApiKeys(
            lambda: self.keys, KeyStore(lender), RefusedAttempts(lender), self.health
        )

    def failures(self) -> dict[str, int]:
        """How many there were, by reason."""
        counts = self.health.counts(own.AUTH_FAILURES)
        return {reason: count for (reason,), (count,) in counts.items() if count}


@pytest.mark.parametrize("needed", Scope)
@pytest.mark.parametrize("value", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY} "])
async def test_the_admin_key_has_every_scope(value: str, needed: Scope) -> None:
    settings = Settings(KEY)
    identity = await settings.checked.check(value.encode(), needed, every_organization=True)
    assert (identity.scopes, identity.organization_id) == (frozenset(Scope), None)
    assert settings.failures() == {}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing"),
        (b"", "missing"),
        (b"Bearer", "missing"),
        (b"Bearer ", "missing"),
        (f"Basic {KEY}".encode(), "missing"),
        (KEY.encode(), "missing"),
        (b"Bearer x", "unknown"),
        (f"Bearer {KEY}x".encode(), "unknown"),
        (f"Bearer {KEY}".encode("latin-1"), "unknown"),
        (b"Bearer bek_\xff\xfe", "unknown"),
        (NEVER_MADE + b"x", "unknown"),
    ],
)
async def test_nothing_else_does(value: bytes | None, reason: str) -> None:
    settings = Settings(KEY)
    with pytest.raises(Unauthenticated) as refused:
        await settings.checked.check(value, Scope.INGEST)
    assert KEY not in str(refused.value)
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer ")
    assert settings.failures() == {reason: 1}


async def test_a_key_that_can_not_be_looked_up_is_not_said_to_be_unknown() -> None:
    settings = Settings(KEY)
    with pytest.raises(LedgerUnavailable):
        await settings.checked.check(NEVER_MADE, Scope.INGEST)
    assert settings.failures() == {}
    # Whatever the ledger does, the keys of the settings open.
    await settings.checked.check(f"Bearer {KEY}".encode(), Scope.INGEST)


async def test_an_admin_key_is_rotated_while_both_are_set() -> None:
    settings = Settings(KEY)
    old, new = f"Bearer {KEY}".encode(), f"Bearer {OTHER}".encode()
    settings.keys = (OTHER, KEY)
    for value in (old, new):
        await settings.checked.check(value, Scope.ADMIN)
    settings.keys = (OTHER,)
    await settings.checked.check(new, Scope.ADMIN)
    with pytest.raises(Unauthenticated):
        await settings.checked.check(old, Scope.INGEST)


async def test_an_empty_admin_key_opens_nothing() -> None:
    settings = Settings("", " ")
    for value in (None, b"", b"Bearer", b"Bearer ", b"Bearer  "):
        with pytest.raises(Unauthenticated):
            await settings.checked.check(value, Scope.INGEST)


async def test_a_refused_admin_attempt_is_refused_without_a_database_too() -> None:
    settings = Settings(KEY)
    with pytest.raises(Unauthenticated):
        await settings.checked.check(b"Bearer guessed", Scope.ADMIN, target="POST /x")


async def test_the_keys_are_not_held() -> None:
    settings = Settings(KEY)
    await settings.checked.check(f"Bearer {KEY}".encode(), Scope.INGEST)
    assert KEY not in repr(vars(settings.checked))
