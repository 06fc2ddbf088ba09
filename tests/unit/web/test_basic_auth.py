"""Basic authentication: who is let in, what it costs, and what is remembered."""

import asyncio
import base64
import time

import bcrypt
import pytest

from exporter.web import basic_auth
from exporter.web.basic_auth import MOST_WAITING, Passwords, TooManyChecks

PASSWORD = b"correct horse"
HASH = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(4, b"2a")).decode()


def header(name: bytes, password: bytes, scheme: bytes = b"Basic") -> bytes:
    return scheme + b" " + base64.b64encode(name + b":" + password)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """The passwords and hashes that were computed, bcrypt's own work included."""
    seen: list[tuple[bytes, bytes]] = []
    real = bcrypt.checkpw

    def check(password: bytes, hashed: bytes) -> bool:
        seen.append((password, hashed))
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    return seen


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_a_name_with_its_password_is_accepted(prefix: str) -> None:
    passwords = Passwords({"alice": prefix + HASH[4:]})
    assert await passwords.accept(header(b"alice", PASSWORD))
    assert await passwords.accept(header(b"alice", PASSWORD, b"bAsIc"))


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"Basic",
        b"Basic !",
        b"Basic " + base64.b64encode(b"alice"),
        header(b"alice", PASSWORD, b"Bearer"),
        header(b"alice", b""),
        header(b"alice", PASSWORD + b"\0"),
        pytest.param(header(b"alice", HASH.encode()), id="the hash for the password"),
        header(b"bob", PASSWORD),
        header(b"", PASSWORD),
        header(b"Alice", PASSWORD),
        header(b"\xff", b"\xff" * 200),
    ],
)
async def test_anything_else_is_not(given: bytes) -> None:
    passwords = Passwords({"alice": HASH})
    assert not await passwords.accept(given)
    assert await passwords.accept(header(b"alice", PASSWORD))
    assert not await passwords.accept(given), "nor once the right one is remembered"


async def test_of_a_long_password_counts_what_bcrypt_hashes() -> None:
    long = b"x" * 100
    passwords = Passwords({"alice": bcrypt.hashpw(long[:72], bcrypt.gensalt(4)).decode()})
    assert await passwords.accept(header(b"alice", long))
    assert not await passwords.accept(header(b"alice", long[:71]))


async def test_a_success_is_computed_once_and_a_failure_each_time(
    computed: list[tuple[bytes, bytes]],
) -> None:
    passwords = Passwords({"alice": HASH})
    for _ in range(3):
        assert await passwords.accept(header(b"alice", PASSWORD))
    assert len(computed) == 1
    for _ in range(3):
        assert not await passwords.accept(header(b"alice", b"wrong"))
    assert len(computed) == 4


async def test_the_same_password_at_once_is_computed_once(
    computed: list[tuple[bytes, bytes]],
) -> None:
    passwords = Passwords({"alice": HASH})
    given = [passwords.accept(header(b"alice", PASSWORD)) for _ in range(10)]
    assert await asyncio.gather(*given) == [True] * 10
    assert len(computed) == 1


async def test_whoever_knows_the_hash_can_not_poison_what_is_remembered() -> None:
    """GHSA-4v48-4q5m-8vx4: parts that run together to the same key must not."""
    passwords = Passwords({"alice": HASH})
    attempts = [
        header(b"alice" + HASH.encode(), b"fakepassword"),
        header(b"alic", b"e" + HASH.encode()),
        header(b"a", b"lice"),
        header(b"alice" + HASH.encode() + PASSWORD, b""),
    ]
    for given in attempts:
        assert not await passwords.accept(given)
    assert not passwords._good
    assert not await passwords.accept(header(b"alice", b"fakepassword"))


def test_no_two_splits_of_the_same_bytes_have_the_same_digest() -> None:
    passwords = Passwords({"alice": HASH})
    text = b"alice:password"
    splits = {passwords._digest(text[:at], text[at:]) for at in range(len(text) + 1)}
    assert len(splits) == len(text) + 1


def test_no_two_processes_remember_alike() -> None:
    one, other = Passwords({"alice": HASH}), Passwords({"alice": HASH})
    assert one._digest(b"alice") != other._digest(b"alice")


async def test_an_unknown_name_is_computed_with_the_hash_of_a_known_one(
    computed: list[tuple[bytes, bytes]],
) -> None:
    users = {"alice": HASH, "bob": bcrypt.hashpw(b"other", bcrypt.gensalt(5)).decode()}
    passwords = Passwords(users)
    hashes: set[bytes] = set()
    for number in range(20):
        before = len(computed)
        for _ in range(2):
            assert not await passwords.accept(header(b"nobody%d" % number, PASSWORD))
        assert len(computed) == before + 2
        assert computed[-1] == computed[-2], "the same name costs the same each time"
        hashes.add(computed[-1][1])
    assert hashes == {hashed.encode() for hashed in users.values()}


async def test_an_unknown_name_takes_as_long_as_a_known_one() -> None:
    """At a cost at which bcrypt is nearly all of it; the best of several, as others run too."""
    passwords = Passwords({"alice": bcrypt.hashpw(PASSWORD, bcrypt.gensalt(9)).decode()})
    best: dict[bytes, float] = {}
    for _ in range(8):
        for name in (b"alice", b"nobody"):
            begun = time.perf_counter()
            assert not await passwords.accept(header(name, b"wrong"))
            taken = time.perf_counter() - begun
            best[name] = min(taken, best.get(name, taken))
    assert 0.6 < best[b"nobody"] / best[b"alice"] < 1.7


async def test_a_flood_of_wrong_passwords_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords({"alice": HASH})
    assert await passwords.accept(header(b"alice", PASSWORD))
    held = asyncio.Event()

    async def hold(*_: object) -> bool:
        await held.wait()
        return False

    monkeypatch.setattr(basic_auth.asyncio, "to_thread", hold)
    waiting = [
        asyncio.create_task(passwords.accept(header(b"alice", b"%d" % number)))
        for number in range(MOST_WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(TooManyChecks):
        await passwords.accept(header(b"alice", b"one more"))
    assert await passwords.accept(header(b"alice", PASSWORD)), "whoever was in before still is"
    held.set()
    assert await asyncio.gather(*waiting) == [False] * MOST_WAITING
