"""The second counter: Stripe events, and what each adds to which series, as plain data.

It imports nothing of the exporter, so that the two can only agree by both being right.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1]
OWN = _TESTS / "fixtures" / "stripe"
TABLE = _TESTS / "fixtures" / "stripe_expected.tsv"
ENVIRONMENT = "BILLING_EXTRA_STRIPE_EVENTS"
_BESIDE_THE_CHECKOUT = _TESTS.parents[1] / "shared" / "stripe-events"
_EVENTS = ("event", "v2.core.event")

Body = dict[str, Any]
Amounts = dict[str, int]


def recorded() -> Path:
    """The folder of recorded payloads; it need not exist."""
    chosen = os.environ.get(ENVIRONMENT)
    return Path(chosen) if chosen else _BESIDE_THE_CHECKOUT


def own_events() -> dict[str, Body]:
    """The hand-written events by name."""
    return dict(_events(OWN))


def all_events() -> dict[str, Body]:
    """The hand-written events and, where the folder is there, the recorded ones, by name."""
    return own_events() | dict(_events(recorded()))


def other_bodies() -> dict[str, Any]:
    """The recorded files that hold neither an event nor a page of them, by name."""
    return {name: body for name, body in _files(recorded()) if not list(_events_in(name, body))}


def expected() -> dict[str, Amounts]:
    """What each event of the table adds: name → series → amount."""
    table: dict[str, Amounts] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, series, amount = line.split("\t")
            amounts = table.setdefault(name, {})
            if series != "nothing":
                amounts[series] = int(amount)
    return table


def _files(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.rglob("*.json")):
        yield str(path.relative_to(folder)), json.loads(path.read_text(encoding="utf-8"))


def _events(folder: Path) -> Iterator[tuple[str, Body]]:
    for name, body in _files(folder):
        yield from _events_in(name, body)


def _events_in(name: str, body: Any) -> Iterator[tuple[str, Body]]:
    """The event itself, or those of a page as `name#0`, `name#1`, …"""
    if not isinstance(body, dict):
        return
    if body.get("object") in _EVENTS:
        yield name, body
    elif isinstance(body.get("data"), list):
        for index, event in enumerate(body["data"]):
            if isinstance(event, dict) and event.get("object") in _EVENTS:
                yield f"{name}#{index}", event
