"""The once keys that are known to be claimed, so that the database isn't asked again."""

from collections.abc import Iterable

from exporter.ledger.entry import Key

MAX_REMEMBERED = 100_000


class KnownKeys:
    """A bounded memory of keys that were seen committed. They are never deleted, so what is in
    it stays true while the ledger is the same one; what isn't in it may be claimed all the same.
    """

    def __init__(self) -> None:
        self._keys: set[Key] = set()

    def unknown(self, keys: Iterable[Key]) -> set[Key]:
        """Those of the keys that the database has to be asked about."""
        return set(keys) - self._keys

    def add(self, keys: set[Key]) -> None:
        """Remember keys that were committed."""
        if len(self._keys) + len(keys) > MAX_REMEMBERED:
            self._keys.clear()
        self._keys |= keys

    def clear(self) -> None:
        """Forget all: the ledger is another one."""
        self._keys.clear()
