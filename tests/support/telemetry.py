"""Telemetry events as an app sends them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any


def now_text(offset: timedelta = timedelta()) -> str:
    """A time near now, as RFC 3339."""
    return (datetime.now(UTC) + offset).isoformat()


def payment(event_id: str | None = None, **changes: Any) -> dict[str, Any]:
    """A succeeded card payment of 49.00 usd; `changes` replace its fields."""
    return {
        "id": event_id or str(uuid.uuid4()),
        "event": "payment_processed",
        "occurred_at": now_text(),
        "measurements": {"amount_cents": 4900, "duration": 1200},
        "metadata": {"customer_id": "cus_123", "status": "success", "payment_method": "card"},
        **changes,
    }


def usage(event_id: str | None = None, quantity: int = 1, **metadata: str) -> dict[str, Any]:
    """Usage of the meter `fix` on the plan pro."""
    return {
        "id": event_id or str(uuid.uuid4()),
        "event": "usage_tracked",
        "occurred_at": now_text(),
        "measurements": {"quantity": quantity},
        "metadata": {"plan": "pro", "resource_type": "fix", **metadata},
    }
