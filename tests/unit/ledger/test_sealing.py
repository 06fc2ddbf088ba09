"""Sealing: what goes in comes out, with any configured key, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import CannotOpen
from exporter.ledger.sealing import HEADER_BYTES, Sealer, header_name, key_id

OLD, NEW = b"o" * 32, b"n" * 32
PLAIN = b'{"email": "ada@example.com"}' * 20


def sealer(*keys: bytes) -> Sealer:
    return Sealer(lambda: keys)


@given(st.binary(max_size=5000), st.sampled_from([(), (OLD,), (NEW, OLD)]))
def test_what_was_sealed_is_opened(raw: bytes, keys: tuple[bytes, ...]) -> None:
    assert sealer(*keys).open(sealer(*keys).seal(raw)) == raw


def test_rows_of_every_key_and_of_none_are_opened_side_by_side() -> None:
    both = sealer(NEW, OLD)
    for keys in ((), (OLD,), (NEW,), (OLD, NEW)):
        assert both.open(sealer(*keys).seal(PLAIN)) == PLAIN


def test_the_first_key_encrypts_and_its_id_stands_in_the_row() -> None:
    sealed = sealer(NEW, OLD).seal(PLAIN)
    assert header_name(sealed[:HEADER_BYTES]) == key_id(NEW) != key_id(OLD)
    assert header_name(sealer().seal(PLAIN)[:HEADER_BYTES]) == ""
    assert sealer(NEW, OLD).header == sealed[:HEADER_BYTES]
    assert sealer(NEW).open(sealed) == PLAIN


def test_no_two_rows_are_alike_and_none_shows_its_text() -> None:
    rows = {sealer(NEW).seal(PLAIN) for _ in range(100)}
    assert len(rows) == 100
    assert not any(b"ada" in row for row in rows)
    # Packed before it is encrypted, which can't be packed.
    assert max(map(len, rows)) < len(PLAIN) / 4


def test_a_row_of_an_unknown_key_names_the_key_and_the_remedy() -> None:
    with pytest.raises(CannotOpen, match=rf"key {key_id(OLD)}.*Add.*BILLING_ENCRYPTION_KEY"):
        sealer(NEW).open(sealer(OLD).seal(PLAIN))
    with pytest.raises(CannotOpen, match=key_id(OLD)):
        sealer().open(sealer(OLD).seal(PLAIN))


@pytest.mark.parametrize("keys", [(), (NEW,)], ids=["plain", "encrypted"])
def test_a_damaged_row_is_never_opened_as_something_else(keys: tuple[bytes, ...]) -> None:
    sealed = sealer(*keys).seal(PLAIN)
    for place in range(len(sealed)):
        damaged = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(CannotOpen):
            assert sealer(*keys).open(damaged) == b""
    for length in range(len(sealed)):
        with pytest.raises(CannotOpen):
            sealer(*keys).open(sealed[:length])


def test_a_key_that_changes_is_used_from_then_on() -> None:
    keys = [(OLD,)]
    changing = Sealer(lambda: keys[0])
    before = changing.seal(PLAIN)
    keys[0] = (NEW, OLD)
    after = changing.seal(PLAIN)
    assert [header_name(row[:HEADER_BYTES]) for row in (before, after)] == [
        key_id(OLD),
        key_id(NEW),
    ]
    assert changing.open(before) == changing.open(after) == PLAIN
    assert changing.key_ids == (key_id(NEW), key_id(OLD))
