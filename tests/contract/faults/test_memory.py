"""Row 49: what a request leaves behind is bounded, whatever it holds."""

import itertools
import json
import socket
from collections.abc import Iterator
from pathlib import Path

from exporter.catalogue.book import Catalogue
from exporter.catalogue.events import Event
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.exposition import TEXT, Exposition
from exporter.stripe_events.plans import PlanNames
from exporter.totals import Totals
from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.stripe import sign
from tests.support.telemetry import now_text, usage

ROUNDS = 4
REQUESTS_A_ROUND = 6_000
PIPELINED = 50
# A single leaked string a request would be more than that.
MOST_BYTES_A_REQUEST = 100
# What the exporter remembers at most of the labels that it met.
REMEMBERED = 10_000
BATCH = 2_000
MOST_BYTES_AN_EVENT = 200
NUMBERS = itertools.count()


def resident_bytes(target: ExporterProcess) -> int:
    fields = Path(f"/proc/{target.process.pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def post(path: str, body: bytes, header: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def event(number: int) -> bytes:
    """Refused for its measurement, after its labels, which no other event has, were read."""
    metadata = {"plan": f"plan-{number}", "payment_method": f"m-{number}", "status": f"s-{number}"}
    return json.dumps(
        {
            "id": f"event-{number}",
            "event": "payment_processed",
            "occurred_at": now_text(),
            "measurements": {"amount": -1},
            "metadata": metadata,
        }
    ).encode()


def requests_of(count: int) -> Iterator[bytes]:
    """Distinct paths, keys, signatures, accepts, events and types, in turn."""
    keyed = f"Authorization: Bearer {ADMIN_KEY}\r\nContent-Type: application/json"
    for number in itertools.islice(NUMBERS, count):
        kind = number % 6
        if kind == 0:
            yield f"GET /nothing/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        elif kind == 1:
            yield post("/api/v1/events", b"{}", f"Authorization: Bearer {number:043}")
        elif kind == 2:
            yield post("/api/v1/events", event(number), keyed)
        elif kind == 3:
            yield post("/api/webhooks/stripe", b"{}", f"Stripe-Signature: t={number},v1=00")
        elif kind == 4:
            headers = f"Host: a{number}\r\nX-{number}: v\r\n"
            yield f"GET /-/ready?{number} HTTP/1.1\r\n{headers}\r\n".encode()
        else:
            body = json.dumps({"object": f"other-{number}", "id": f"evt_{number}"}).encode()
            yield post("/api/webhooks/stripe", body, f"Stripe-Signature: {sign(body)}")


def send(target: ExporterProcess, count: int) -> None:
    """Send so many requests over one connection, and read every answer."""
    host, port = target.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        answers = connection.makefile("rb")
        waiting = requests_of(count)
        while batch := list(itertools.islice(waiting, PIPELINED)):
            connection.sendall(b"".join(batch))
            for _ in batch:
                assert answers.readline().split()[1] in (b"200", b"400", b"401", b"404", b"422")
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                answers.read(length)


def test_memory_does_not_grow_with_the_number_of_requests(shared: ExporterProcess) -> None:
    """The slope over rounds, once what is made at first is there."""
    send(shared, REQUESTS_A_ROUND)
    sizes = [resident_bytes(shared)]
    for _ in range(ROUNDS):
        send(shared, REQUESTS_A_ROUND)
        sizes.append(resident_bytes(shared))
    grown = sizes[-1] - sizes[0]
    assert grown / (ROUNDS * REQUESTS_A_ROUND) < MOST_BYTES_A_REQUEST, sizes
    samples = len(shared.scrape().samples)
    send(shared, REQUESTS_A_ROUND)
    assert len(shared.scrape().samples) == samples


def test_memory_does_not_grow_with_the_number_of_unknown_labels(shared: ExporterProcess) -> None:
    """Measured each time what is remembered of them was just as often forgotten."""
    sizes = []
    for _ in range(3):
        for _ in range(REMEMBERED // BATCH):
            assert shared.send_events(labelled(BATCH)).json()["accepted"] == BATCH
        sizes.append(resident_bytes(shared))
    assert (sizes[-1] - sizes[0]) / (2 * REMEMBERED) < MOST_BYTES_AN_EVENT, sizes


def labelled(count: int) -> list[dict[str, object]]:
    """Events whose plan and meter no other event has."""
    return [
        usage(f"usage-{number}", plan=f"plan-{number}", resource_type=f"meter-{number}")
        for number in itertools.islice(NUMBERS, count)
    ]


def rendered_series(exposition: Exposition) -> int:
    """Of how many series it keeps the text."""
    return sum(len(texts) for texts in exposition._rendered.values())


def test_what_is_remembered_of_labels_and_plans_is_bounded() -> None:
    catalogue, plans = Catalogue(), PlanNames({"pro": ()})
    totals = Totals(catalogue, EVENT_METRICS)
    exposition = Exposition(metrics=EVENT_METRICS)
    exposition.render(TEXT, totals, Totals(catalogue, []))
    series = rendered_series(exposition)
    for number in range(25_000):
        plans.name(f"price_{number}", None)
        event = Event(
            kind="usage_tracked",
            source="app",
            livemode=True,
            quantity=1,
            attributes={"plan": f"plan-{number}", "resource_type": f"meter-{number}"},
        )
        totals.add(catalogue.increments(event))
    exposition.render(TEXT, totals, Totals(catalogue, []))
    assert len(plans._found) <= 10_000
    assert len(catalogue._shares) <= 10_000
    # One series more: every plan and meter is `other`, and which labels were unknown.
    assert rendered_series(exposition) - series <= 3
