"""The requests that are measured: signed Stripe invoices, and batches of telemetry.

Every one is numbered, and its ids are a prefix and the number, so that what was stored can be
compared with what was sent without keeping it.
"""

import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from tests.support.stripe import WEBHOOK_SECRET

ADMIN_KEY = "an-admin-key-for-the-bench-only"
WEBHOOK_PATH = "/api/webhooks/stripe"
EVENTS_PATH = "/api/v1/events"
BATCH_EVENTS = 100
INVOICE_LINES = 15
ORGANIZATIONS = 1_000_000
_CUSTOMERS = 1000
# Has no divisor in common with the number of organisations: all come before one comes again.
_SPREAD = 314_159
_DIGITS = 10
_METERS = ("fix", "api_calls", "data_exports", "ai_requests")
_decode = msgspec.json.Decoder().decode
# Where an invoice differs from the next.
_NUMBER, _CUSTOMER = "@number@", "@customer@"


class Payload(Protocol):
    """Numbered requests; `request` gives the bytes of the whole, signed now."""

    def request(self, number: int, host: str) -> bytes:
        """The request with that number, to `host`."""
        ...


class Webhooks:
    """Stripe's `invoice.paid` of about 4.4 KB: a renewal with 15 line items."""

    def __init__(self, prefix: str, created_seconds: int) -> None:
        event = _invoice_paid(prefix, created_seconds)
        text = json.dumps(event, separators=(",", ":"))
        text = text.replace(_NUMBER, "%(number)010d").replace(_CUSTOMER, "%(customer)04d")
        self._prefix = prefix
        self._template = text.encode()

    def id(self, number: int) -> str:
        """The event's id."""
        return f"evt_{self._prefix}{number:010d}"

    def body(self, number: int) -> bytes:
        """The event itself."""
        return self._template % {b"number": number, b"customer": number % _CUSTOMERS}

    def request(self, number: int, host: str) -> bytes:
        """The event, signed as Stripe signs."""
        body, signed_at = self.body(number), int(time.time())
        mark = hmac.digest(WEBHOOK_SECRET.encode(), b"%d." % signed_at + body, "sha256").hex()
        return _request(
            WEBHOOK_PATH,
            host,
            "application/json; charset=utf-8",
            f"Stripe-Signature: t={signed_at},v1={mark}",
            body,
        )


class Batches:
    """Arrays of 100 telemetry events, payments and usage in turn."""

    def __init__(self, prefix: str, created_seconds: int) -> None:
        self._prefix = prefix
        self._marker = f'"id":"{prefix}'.encode()
        self._at = datetime.fromtimestamp(created_seconds, UTC).isoformat().replace("+00:00", "Z")

    def id(self, number: int) -> str:
        """The id of one event; batch n holds the events from 100 n on."""
        return f"{self._prefix}{number:010d}"

    def event(self, number: int) -> dict[str, Any]:
        """One event of the app."""
        customer = f"cus_{number % _CUSTOMERS:04d}"
        if number % 2:
            return {
                "event": "payment_processed",
                "id": self.id(number),
                "occurred_at": self._at,
                "measurements": {"amount": 100 + number % 9900, "duration": 200 + number % 700},
                "metadata": {
                    "customer_id": customer,
                    "currency": "usd",
                    "status": "success",
                    "payment_method": "card",
                },
            }
        return {
            "event": "usage_tracked",
            "id": self.id(number),
            "occurred_at": self._at,
            "measurements": {"quantity": 1 + number % 7},
            "metadata": {
                "customer_id": customer,
                "plan": "pro",
                "resource_type": _METERS[number % len(_METERS)],
            },
        }

    def number(self, content: bytes) -> int:
        """The number of an event in its JSON; -1 if it isn't one of these."""
        _, _, rest = content.partition(self._marker)
        digits = rest[:_DIGITS]
        return int(digits) if digits.isdigit() else -1

    def matches(self, number: int, content: bytes) -> bool:
        """Whether that JSON says what the event said, in whatever order."""
        return bool(_decode(content) == self.event(number))

    def request(self, number: int, host: str) -> bytes:
        """A batch with the key that it needs."""
        first = number * BATCH_EVENTS
        events = [self.event(first + offset) for offset in range(BATCH_EVENTS)]
        return _request(
            EVENTS_PATH,
            host,
            "application/json",
            f"Authorization: Bearer {ADMIN_KEY}",
            json.dumps(events, separators=(",", ":")).encode(),
        )


class UsageBatches(Batches):
    """Arrays of 100 events of usage by a million organisations: the first ten of them use as much
    as the next ninety, these as much as the next nine hundred, and so on.
    """

    def event(self, number: int) -> dict[str, Any]:
        """A little usage of one meter."""
        return {
            "event": "usage_tracked",
            "id": self.id(number),
            "occurred_at": self._at,
            "measurements": {"quantity": 1 + number % 7},
            "metadata": {
                "organization_id": f"org_{self.organization(number)}",
                "resource_type": "api_calls",
            },
        }

    def organization(self, number: int) -> int:
        """The number of the organisation of an event, from 1."""
        place = number * _SPREAD % ORGANIZATIONS
        return int(ORGANIZATIONS ** (place / ORGANIZATIONS))


class SpreadUsageBatches(UsageBatches):
    """The same, but each event is of another organisation: the worst there can be."""

    def organization(self, number: int) -> int:
        """The number of the organisation of an event, from 1."""
        return 1 + number * _SPREAD % ORGANIZATIONS


def _request(path: str, host: str, content_type: str, authority: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\n"
        f"{authority}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _invoice_paid(prefix: str, created_seconds: int) -> dict[str, Any]:
    unique = f"{prefix}{_NUMBER}"
    lines = [_line(unique, index, created_seconds) for index in range(INVOICE_LINES)]
    total = sum(line["amount"] for line in lines)
    return {
        "id": f"evt_{unique}",
        "object": "event",
        "api_version": "2025-03-31.basil",
        "created": created_seconds,
        "livemode": True,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "invoice.paid",
        "data": {
            "object": {
                "id": f"in_{unique}",
                "object": "invoice",
                "amount_due": total,
                "amount_paid": total,
                "amount_remaining": 0,
                "attempt_count": 1,
                "attempted": True,
                "billing_reason": "subscription_cycle",
                "collection_method": "charge_automatically",
                "created": created_seconds,
                "currency": "usd",
                "customer": f"cus_{_CUSTOMER}",
                "customer_email": f"billing-{_CUSTOMER}@example.com",
                "livemode": True,
                "number": f"INV-{_NUMBER}",
                "parent": {
                    "type": "subscription_details",
                    "subscription_details": {"metadata": {}, "subscription": f"sub_{_CUSTOMER}"},
                },
                "period_end": created_seconds,
                "period_start": created_seconds - 2_592_000,
                "status": "paid",
                "subtotal": total,
                "total": total,
                "lines": {"object": "list", "data": lines, "has_more": False, "url": "/v1/lines"},
            }
        },
    }


def _line(unique: str, index: int, created_seconds: int) -> dict[str, Any]:
    return {
        "id": f"il_{unique}{index:02d}",
        "object": "line_item",
        "amount": 500 + 100 * index,
        "currency": "usd",
        "description": f"Seats, tier {index + 1}",
        "period": {"end": created_seconds, "start": created_seconds - 2_592_000},
        "pricing": {"type": "price_details", "price_details": {"price": f"price_{index:04d}"}},
        "quantity": 1 + index,
    }
