"""Stripe's signatures, against every configured secret, both clock directions bounded."""

import time
from collections.abc import Callable, Sequence

from stripe import SignatureVerificationError, WebhookSignature

from exporter.errors import InvalidSignature

TOLERANCE_SECONDS = 300
MAX_HEADER_BYTES = 8 * 1024
_REMEDY = (
    "Send the body exactly as Stripe signed it, within 5 minutes, and compare the endpoint's "
    "signing secret with STRIPE_WEBHOOK_SECRET."
)


def verify(
    raw: bytes,
    header: bytes | None,
    secrets: Sequence[str],
    now_seconds: Callable[[], float] = time.time,
) -> int:
    """The place among `secrets` of the one that signed `raw` less than 5 minutes from now.

    `header` is the Stripe-Signature header as it came. Raises InvalidSignature, whatever the
    header and the body hold.
    """
    if header is None:
        raise InvalidSignature("The Stripe-Signature header is missing.", _REMEDY)
    if len(header) > MAX_HEADER_BYTES or not header.isascii():
        raise InvalidSignature("The Stripe-Signature header isn't one that Stripe sends.", _REMEDY)
    text = header.decode("ascii")
    place = next((at for at, secret in enumerate(secrets) if _signed(raw, text, secret)), None)
    if place is None:
        raise InvalidSignature("No configured secret gives this signature.", _REMEDY)
    now = now_seconds()
    if not now - TOLERANCE_SECONDS <= _timestamp(text) <= now + TOLERANCE_SECONDS:
        raise InvalidSignature("The signature is not of the last or next 5 minutes.", _REMEDY)
    return place


def _signed(raw: bytes, header: str, secret: str) -> bool:
    try:
        return bool(WebhookSignature.verify_header(raw, header, secret))
    except (SignatureVerificationError, UnicodeDecodeError):
        return False


def _timestamp(header: str) -> int:
    """The first `t` of a header that was verified, taken as the verifier takes it."""
    return int(next(part.split("=")[1] for part in header.split(",") if part.startswith("t=")))
