"""Once keys that the database isn't asked about again."""

from exporter.ledger import known_keys
from exporter.ledger.known_keys import KnownKeys


def key(number: int) -> tuple[str, str, str]:
    return "stripe", "own:live", f"refund:re_{number}"


def test_only_what_was_added_is_known() -> None:
    known = KnownKeys()
    known.add({key(1)})
    assert known.unknown([key(1), key(2), key(2)]) == {key(2)}
    known.clear()
    assert known.unknown([key(1)]) == {key(1)}


def test_the_memory_is_bounded() -> None:
    known = KnownKeys()
    known.add({key(number) for number in range(known_keys.MAX_REMEMBERED)})
    known.add({key(-1)})
    assert known.unknown([key(0), key(-1)]) == {key(0)}
