"""Signature headers of any make-up against the rule itself, worked out apart from the code."""

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import InvalidSignature
from exporter.ingest.signature import verify
from tests.support.stripe import signature

NOW = 1_700_000_000
SECRETS = ("whsec_a", "whsec_b")
BODY = b'{"object": "event"}'
_SECONDS = st.integers(NOW - 310, NOW + 310) | st.sampled_from(
    [NOW + by for bound in (-300, 300) for by in (bound - 1, bound, bound + 1)]
)


@st.composite
def entries(draw: st.DrawFn, of_seconds: int) -> list[tuple[str, str]]:
    """What follows the time: right and wrong signatures under any scheme."""
    found = []
    for _ in range(draw(st.integers(0, 5))):
        scheme = draw(st.sampled_from(["v1", "v1", "v1", "v0", "v2", "V1", "t1"]))
        secret = draw(st.sampled_from([*SECRETS, "whsec_foreign"]))
        seconds = draw(st.just(of_seconds) | _SECONDS)
        body = draw(st.sampled_from([BODY, BODY, BODY + b" "]))
        found.append((scheme, draw(st.just(signature(body, secret, seconds)) | st.text("0f"))))
    return found


@settings(max_examples=300)
@given(st.just(NOW) | _SECONDS, st.data())
def test_a_header_is_taken_if_and_only_if_the_rule_says_so(
    seconds: int, data: st.DataObject
) -> None:
    given_entries = data.draw(entries(seconds))
    right = {signature(BODY, secret, seconds) for secret in SECRETS}
    is_signed = any(scheme == "v1" and value in right for scheme, value in given_entries)
    header = ",".join((f"t={seconds}", *(f"{name}={value}" for name, value in given_entries)))
    try:
        verify(BODY, header.encode(), SECRETS, lambda: float(NOW))
        is_taken = True
    except InvalidSignature:
        is_taken = False
    assert is_taken == (is_signed and abs(seconds - NOW) <= 300)


@given(st.binary(min_size=1, max_size=60), st.integers(0, 10**6), st.integers(1, 255))
def test_no_changed_byte_of_any_body_keeps_its_signature(body: bytes, at: int, by: int) -> None:
    header = f"t={NOW},v1={signature(body, SECRETS[0], NOW)}".encode()
    changed = bytearray(body)
    changed[at % len(body)] ^= by
    try:
        verify(bytes(changed), header, SECRETS, lambda: float(NOW))
    except InvalidSignature:
        return
    raise AssertionError("a changed body was taken")
