"""How contents and bodies rest in the ledger: as zlib streams, encrypted if there is a key.

An encrypted row begins with a byte that no zlib stream begins with, then the id of its key, then
the nonce: rows of any key lie beside rows of none. Nonces are random, which is safe for 2^32 rows
a key.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from isal import isal_zlib

from exporter.errors import CannotOpen

Keys = tuple[bytes, ...]

# Half again as long as level 0 for a sixth less to store.
_LEVEL = 1
_ENCRYPTED = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12
HEADER_BYTES = len(_ENCRYPTED) + _KEY_ID_BYTES
# A truncated nonce is a ValueError.
_DAMAGED = (InvalidTag, ValueError, cast("type[Exception]", isal_zlib.error))


@dataclass(frozen=True, slots=True)
class _Ring:
    """The ciphers of `keys` by the headers of their rows; `first` is the one that encrypts."""

    keys: Keys
    first: bytes
    ciphers: dict[bytes, AESGCM]


class Sealer:
    """Packs what the ledger keeps of events, and unpacks it.

    `keys` are asked for each time, so that a key can be changed while this runs: the first one
    encrypts, all of them decrypt. They are 32 bytes each; without any nothing is encrypted.
    """

    def __init__(self, keys: Callable[[], Keys] = tuple) -> None:
        self._keys = keys
        self._known = _make_ring(())

    @property
    def header(self) -> bytes:
        """What rows of the key that encrypts now begin with; empty if none does."""
        return self._ring().first

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the configured keys, the one that encrypts first."""
        return tuple(map(key_id, self._keys()))

    def seal(self, raw: bytes) -> bytes:
        """What to store of `raw`."""
        packed = bytes(isal_zlib.compress(raw, _LEVEL))
        ring = self._ring()
        if not ring.first:
            return packed
        nonce = os.urandom(_NONCE_BYTES)
        return b"".join(
            (ring.first, nonce, ring.ciphers[ring.first].encrypt(nonce, packed, ring.first))
        )

    def open(self, sealed: bytes) -> bytes:
        """What `seal` was given. Raises CannotOpen: its key isn't configured, or it's damaged."""
        sealed = bytes(sealed)
        try:
            return bytes(isal_zlib.decompress(self._decrypt(sealed)))
        except _DAMAGED:
            raise CannotOpen(
                "What is stored here is damaged.", "Restore it from a backup."
            ) from None

    def _decrypt(self, sealed: bytes) -> bytes:
        if not sealed.startswith(_ENCRYPTED):
            return sealed
        header, rest = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:]
        cipher = self._ring().ciphers.get(header)
        if cipher is None:
            raise CannotOpen(
                f"It is encrypted with the key {header_name(header)}, which is not configured.",
                "Add that key to BILLING_ENCRYPTION_KEY, after a comma.",
            )
        return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header)

    def _ring(self) -> _Ring:
        keys = self._keys()
        if keys != self._known.keys:
            self._known = _make_ring(keys)
        return self._known


def key_id(key: bytes) -> str:
    """What a key is called where it must not be shown: 16 hex digits."""
    return hashlib.sha256(b"billing-exporter encryption key " + key).hexdigest()[
        : 2 * _KEY_ID_BYTES
    ]


def header_name(header: bytes) -> str:
    """The id of the key in a row's first HEADER_BYTES bytes; empty if it isn't encrypted."""
    return header[len(_ENCRYPTED) :].hex() if header.startswith(_ENCRYPTED) else ""


def _make_ring(keys: Keys) -> _Ring:
    headers = [_ENCRYPTED + bytes.fromhex(key_id(key)) for key in keys]
    ciphers = {header: AESGCM(key) for header, key in zip(headers, keys, strict=True)}
    return _Ring(keys, headers[0] if headers else b"", ciphers)
