"""Signed Stripe requests, by the signature's own mathematics and not by the exporter's code."""

import hashlib
import hmac
import time

WEBHOOK_SECRET = "whsec_0123456789abcdef0123456789abcdef"


def signature(body: bytes, secret: str, timestamp: int) -> str:
    """The v1 signature of a body, in hex."""
    signed = str(timestamp).encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def sign(body: bytes, secret: str = WEBHOOK_SECRET, timestamp: int | None = None) -> str:
    """The Stripe-Signature header of a body, by default of now."""
    seconds = int(time.time()) if timestamp is None else timestamp
    return f"t={seconds},v1={signature(body, secret, seconds)}"
