"""What fuzzing starts from: the catalogue's examples and the Stripe fixtures."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from exporter.catalogue.events import APP_KINDS
from tests.support.alerts import alert, message
from tests.support.stripe import sign
from tests.support.stripe_table import all_events

# Every fuzzed clock stands here, so that an input means the same whenever it is tried again.
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECRET = "whsec_of_the_fuzzer"  # noqa: S105 - it signs nothing but fuzzed bodies
_LONGEST_WORD = 40
_CONFIGS = (
    "",
    "namespace: acme\ndefault_currency: eur\ncurrencies: [eur, usd]\n",
    "plans:\n  pro:\n    stripe: [price_1, prod_2]\n  enterprise: {}\nmeters: [api_calls]\n",
    "stripe:\n  mode: live\n  accounts: [acct_1]\n  webhooks: false\nid_retention_days: 35\n",
    'credit_reasons: ["a", b, &x c]\nmeters: [*x]\n',
)


def telemetry() -> list[dict[str, Any]]:
    """An event of every kind that an app sends."""
    return [json.loads(json.dumps(kind.example)) for kind in APP_KINDS]


def cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    """The same event as a CloudEvent."""
    return {
        "specversion": "1.0",
        "id": event["id"],
        "source": "/fuzz",
        "type": f"com.example.{event['event']}",
        "time": event["occurred_at"],
        "data": {key: event[key] for key in ("measurements", "metadata") if key in event},
    }


def stripe_events() -> list[dict[str, Any]]:
    """The hand-written Stripe events, and the recorded ones where they are there."""
    return list(all_events().values())


def alert_messages() -> list[dict[str, Any]]:
    """Messages of Alertmanager about alerts that fire, that ended, and that came twice."""
    firing, ended, odd = alert(), alert(ended_after=60), alert("Odd", labels={"a": "b\0"})
    return [message(firing), message(ended), message(firing, odd, ended, firing)]


def seeds(target: str) -> list[bytes]:
    """The inputs that a target starts from."""
    return [seed for seed in _SEEDS[target]() if seed]


def words() -> list[str]:
    """Every key, and every short text, in what fuzzing starts from: what a mutation may put in."""
    found: set[str] = set()
    events = (*telemetry(), *map(cloud_event, telemetry()), *stripe_events())
    for event in (*events, *alert_messages()):
        found.update(text for text in texts(event) if len(text) <= _LONGEST_WORD)
    return sorted(found)


def _events() -> Iterator[bytes]:
    events = telemetry()
    for event in events:
        yield json.dumps(event).encode()
        yield json.dumps(cloud_event(event)).encode()
    yield json.dumps(events, indent=1).encode()
    yield "\n".join(map(json.dumps, events)).encode()
    yield json.dumps([cloud_event(event) for event in events]).encode()


def _stripe() -> Iterator[bytes]:
    for event in stripe_events():
        yield json.dumps(event).encode()


def _alerts() -> Iterator[bytes]:
    for one in alert_messages():
        yield json.dumps(one).encode()


def _json() -> Iterator[bytes]:
    yield from _events()
    yield rb'{"a": [1, -0.5e3, "\ud83d\ude00 \u0022", null, true], "\u0061b": {"": ""}}'


def _signature() -> Iterator[bytes]:
    seconds = int(NOW.timestamp())
    for body in (b"{}", b'{"object": "event"}', b""):
        good = sign(body, SECRET, seconds)
        for header in (good, f"{good},v1=00,v0=00", good.replace("v1", "v1=0,v1"), "t=,v1="):
            yield header.encode() + b"\n" + body


def _config() -> Iterator[bytes]:
    for text in _CONFIGS:
        yield text.encode()


_SEEDS = {
    "events": _events,
    "stripe": _stripe,
    "alerts": _alerts,
    "json": _json,
    "signature": _signature,
    "config": _config,
}


def texts(value: Any) -> Iterator[str]:
    """Every key and every text in a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value
