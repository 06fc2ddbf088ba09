"""The keys that encrypt what the ledger keeps of events."""

import base64
import binascii
from collections.abc import Callable

from exporter.settings.secret import Secret

KEY_BYTES = 32
_REMEDY = "Make one with: openssl rand -base64 32"


def read_encryption_keys(text: str) -> tuple[bytes, ...]:
    """The keys in BILLING_ENCRYPTION_KEY: 32 bytes each in base64, with commas between them; the
    first one encrypts. Raises ValueError with the remedy, and never with the key.
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    keys = tuple(_decode(part, place) for place, part in enumerate(parts, 1))
    if len(set(keys)) < len(keys):
        raise ValueError("BILLING_ENCRYPTION_KEY has the same key twice; remove one.")
    return keys


def decoded(secret: Secret) -> Callable[[], tuple[bytes, ...]]:
    """The keys that the secret holds now, decoded again only when it was replaced."""
    known = secret.reveal_all()
    keys = read_encryption_keys(",".join(known))

    def now() -> tuple[bytes, ...]:
        nonlocal known, keys
        if (values := secret.reveal_all()) is not known:
            keys = read_encryption_keys(",".join(values))
            known = values
        return keys

    return now


def _decode(part: str, place: int) -> bytes:
    name = f"BILLING_ENCRYPTION_KEY: key {place}"
    try:
        key = base64.b64decode(part, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{name} is not base64. {_REMEDY}") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"{name} has {len(key)} bytes; {KEY_BYTES} are needed. {_REMEDY}")
    return key
