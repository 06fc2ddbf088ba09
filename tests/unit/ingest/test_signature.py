"""Stripe's signatures, with the clock in hand."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import InvalidSignature
from exporter.ingest.signature import MAX_HEADER_BYTES, verify
from tests.support.stripe import sign, signature

NOW = 1_769_860_800
BODY = '{"object": "event", "amount": "4 900 \u20ac"}'.encode()
OLD, NEW, OTHER = "whsec_old", "whsec_new", "whsec_other"


def is_taken(
    header: str | bytes | None,
    *,
    body: bytes = BODY,
    secrets: tuple[str, ...] = (OLD, NEW),
    now_seconds: float = NOW,
) -> bool:
    raw = header.encode() if isinstance(header, str) else header
    try:
        verify(body, raw, secrets, lambda: now_seconds)
    except InvalidSignature:
        return False
    return True


def entry(secret: str, body: bytes = BODY, seconds: int = NOW) -> str:
    return f"v1={signature(body, secret, seconds)}"


@pytest.mark.parametrize("secret", [OLD, NEW])
@pytest.mark.parametrize("secrets", [(OLD, NEW), (NEW, OLD), (OTHER, NEW, OLD), (OLD, OLD, NEW)])
def test_any_configured_secret_signs_in_any_order(secret: str, secrets: tuple[str, ...]) -> None:
    assert is_taken(sign(BODY, secret, NOW), secrets=secrets)


def test_an_expired_or_foreign_secret_does_not_sign() -> None:
    assert not is_taken(sign(BODY, OLD, NOW), secrets=(NEW,))
    assert not is_taken(sign(BODY, OTHER, NOW))
    assert not is_taken(sign(BODY, "", NOW))
    assert not is_taken(sign(BODY, OLD, NOW), secrets=())


def test_one_right_entry_among_wrong_ones_is_enough_wherever_it_stands() -> None:
    entries = [entry(OLD), entry(OTHER), "v1=", "v1=00", "v0=" + entry(OLD)[3:], "v2=x"]
    for order in itertools.permutations(entries):
        assert is_taken(",".join((f"t={NOW}", *order)))
    for order in itertools.permutations(entries[1:]):
        assert not is_taken(",".join((f"t={NOW}", *order)))


def test_the_time_may_stand_anywhere_in_the_header() -> None:
    assert is_taken(f"{entry(OLD)},t={NOW}")
    assert is_taken(f"v0=00,t={NOW},{entry(OLD)}")


@pytest.mark.parametrize("offset", [-301, -300, -299.5, -1, 0, 0.5, 1, 299, 300, 301, 3600, -3600])
def test_the_clock_may_be_five_minutes_off_either_way(offset: float) -> None:
    """Row 3 of the faults: the library itself takes any signature of the future."""
    assert is_taken(sign(BODY, OLD, NOW), now_seconds=NOW + offset) == (abs(offset) <= 300)


@given(st.integers(-400, 400))
def test_the_bound_is_the_same_for_past_and_future(offset: int) -> None:
    header = sign(BODY, OLD, NOW)
    assert is_taken(header, now_seconds=NOW + offset) == (abs(offset) <= 300)


def test_the_signed_time_is_the_first_of_the_header() -> None:
    """A later one can't make an old signature young."""
    old = NOW - 3600
    assert not is_taken(f"t={old},{entry(OLD, seconds=old)},t={NOW}")
    assert not is_taken(f"t={NOW},{entry(OLD, seconds=old)},t={old}")
    assert is_taken(f"t={NOW},{entry(OLD)},t={old}")


@pytest.mark.parametrize("seconds", [0, -1, 10**10, 10**400, -(10**400)])
def test_a_signed_time_of_any_size_is_refused_and_nothing_else(seconds: int) -> None:
    assert not is_taken(sign(BODY, OLD, seconds))


def test_more_after_the_time_is_read_as_the_library_reads_it() -> None:
    assert is_taken(f"t={NOW}=4,{entry(OLD)}")


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b",",
        b"t",
        b"t=",
        b"v1=00",
        b"t=1",
        b"t=x,v1=00",
        b"t=nan,v1=00",
        b"\xff",
        b"t=1,v1=\xe9",
        "t=\u0661,v1=00",
        f"t={NOW},V1=" + entry(OLD)[3:],
        f"T={NOW}," + entry(OLD),
        f"t={NOW}; " + entry(OLD),
        f"t={NOW}, " + entry(OLD),
        f"t={NOW},v1={entry(OLD)[3:].upper()}",
        f"t={NOW},v1={entry(OLD)[3:-1]}",
        f"t={NOW},{entry(OLD)}0",
    ],
)
def test_any_other_header_is_refused(header: bytes | str | None) -> None:
    assert not is_taken(header)


@given(
    st.binary(max_size=60) | st.text(st.sampled_from("tv01=,- \u00e9"), max_size=20).map(str.encode)
)
def test_no_header_ends_in_any_other_error(header: bytes) -> None:
    assert not is_taken(header)


def test_a_header_of_a_hundred_thousand_entries_is_not_looked_at() -> None:
    many = ",".join([f"t={NOW}", *["v1=00"] * 100_000, entry(OLD)])
    assert not is_taken(many)


def test_a_header_may_be_8_kib_long() -> None:
    header = f"t={NOW},{entry(OLD)},v0="
    assert is_taken(header.ljust(MAX_HEADER_BYTES, "0"))
    assert not is_taken(header.ljust(MAX_HEADER_BYTES + 1, "0"))


def test_no_changed_byte_of_the_body_keeps_the_signature() -> None:
    header = sign(BODY, OLD, NOW)
    for place in range(len(BODY)):
        changed = bytearray(BODY)
        changed[place] ^= 1 << random.Random(place).randrange(8)
        assert not is_taken(header, body=bytes(changed))


@pytest.mark.parametrize("body", [b"\xff", b"\xed\xa0\x80", b"\xc3"])
def test_a_body_that_is_not_utf8_is_refused_however_it_is_signed(body: bytes) -> None:
    assert not is_taken(sign(body, OLD, NOW), body=body)


def test_the_refusal_tells_no_secret() -> None:
    with pytest.raises(InvalidSignature) as refused:
        verify(BODY, sign(BODY, OTHER, NOW).encode(), (OLD, NEW), lambda: NOW)
    assert refused.value.status == 400
    assert OLD not in str(refused.value)
    assert NEW not in str(refused.value)


def test_an_empty_body_can_be_signed() -> None:
    assert is_taken(sign(b"", OLD, NOW), body=b"")


@pytest.mark.parametrize(("signed_by", "place"), [(NEW, 0), (OLD, 1)])
def test_it_tells_which_of_the_secrets_signed(signed_by: str, place: int) -> None:
    header = sign(BODY, signed_by, NOW).encode()
    assert verify(BODY, header, (NEW, OLD), lambda: NOW) == place
