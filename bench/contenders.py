"""Who is measured: how each is started, what it counts, and where it keeps what it took."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests

from bench.load import HOST
from bench.payloads import BATCH_EVENTS, Batches, Webhooks
from bench.runner import Sender
from bench.servers import (
    Running,
    run_asyncio_peer,
    run_autocommit_peer,
    run_exporter,
    run_flask_peer,
)
from exporter.ledger.sealing import Sealer
from tests.support.scrape import parse

Run = Callable[[Path, str], AbstractContextManager[Running]]
_COMPARED_BODIES = 2000


@dataclass(frozen=True)
class Contender:
    """`counter` is the sample that counts what it took, `ids` a query for the ids that it stored,
    `bodies` one for the ids and bodies among given ids; `most_per_second` requests are prepared.
    """

    name: str
    label: str
    run: Run
    counter: tuple[str, dict[str, str]]
    ids: str
    bodies: str
    most_per_second: int
    sealed: bool = False


_PEER_IDS = "SELECT id FROM events"
_PEER_BODIES = "SELECT id, body FROM events WHERE id = ANY (%s)"

OURS = Contender(
    "ours",
    "billing-exporter",
    run_exporter,
    ("billing_invoice_paid_total", {"source": "stripe"}),
    "SELECT id FROM ledger.event_ids WHERE source = 'stripe'",
    "SELECT id, body FROM ledger.stripe_bodies WHERE id = ANY (%s)",
    20_000,
    sealed=True,
)
ASYNCIO = Contender(
    "asyncio",
    "(b) asyncio, a transaction",
    run_asyncio_peer,
    ("peer_events_total", {}),
    _PEER_IDS,
    _PEER_BODIES,
    15_000,
)
AUTOCOMMIT = Contender(
    "autocommit",
    "(b1) asyncio, a statement",
    run_autocommit_peer,
    ("peer_events_total", {}),
    _PEER_IDS,
    _PEER_BODIES,
    15_000,
)
FLASK = Contender(
    "flask",
    "(a) Flask, a transaction",
    run_flask_peer,
    ("peer_events_total", {}),
    _PEER_IDS,
    _PEER_BODIES,
    3_000,
)
OURS_IN_BATCHES = Contender(
    "ours",
    "billing-exporter",
    run_exporter,
    ("billing_events_received_total", {"source": "app"}),
    "SELECT id FROM ledger.event_ids WHERE source = 'app'",
    "SELECT events FROM ledger.contents",
    2_500,
    sealed=True,
)
ASYNCIO_IN_BATCHES = Contender(
    "asyncio",
    "(b) asyncio, a row an event",
    run_asyncio_peer,
    ("peer_events_total", {}),
    _PEER_IDS,
    "SELECT body FROM events",
    2_500,
)


def counted(contender: Contender, port: int) -> int:
    """What it says on /metrics that it took."""
    answer = requests.get(f"http://{HOST}:{port}/metrics", timeout=30)
    name, labels = contender.counter
    return int(parse(answer.text).total(name, **labels))


def webhook_faults(contender: Contender, conninfo: str, sender: Sender) -> Iterator[str]:
    """How what is stored differs from the webhooks that were sent: every id is compared in the
    database, and a sample of the bodies byte for byte.
    """
    webhooks = Webhooks(sender.prefix, sender.created_seconds)
    with psycopg.connect(conninfo) as connection:
        yield from _id_faults(contender, connection, webhooks.id(0)[:-10], sender.sent)
        step = max(1, sender.sent // _COMPARED_BODIES)
        wanted = {webhooks.id(n): webhooks.body(n) for n in range(0, sender.sent, step)}
        rows = connection.execute(contender.bodies.encode(), [list(wanted)]).fetchall()
        opened = {id_: _open(contender, body) for id_, body in rows}
        if opened != wanted:
            yield f"{contender.label}: bodies differ from those that were sent"


def batch_faults(contender: Contender, conninfo: str, sender: Sender) -> Iterator[str]:
    """The same for telemetry; here the content of every event is compared."""
    events = Batches(sender.prefix, sender.created_seconds)
    count = sender.sent * BATCH_EVENTS
    seen = bytearray(count)
    other = 0
    with psycopg.connect(conninfo) as connection:
        yield from _id_faults(contender, connection, sender.prefix, count)
        with connection.cursor("contents") as cursor:
            cursor.itersize = 200
            cursor.execute(contender.bodies.encode())
            for (body,) in cursor:
                for line in _open(contender, body).splitlines():
                    number = events.number(line)
                    if 0 <= number < count and not seen[number]:
                        seen[number] = events.matches(number, line)
                    else:
                        other += 1
    if other or sum(seen) != count:
        yield (
            f"{contender.label}: of {count} events sent, {sum(seen)} contents are stored as they "
            f"were; {other} others are there"
        )


def _open(contender: Contender, body: bytes) -> bytes:
    return Sealer().open(body) if contender.sealed else bytes(body)


def _id_faults(
    contender: Contender, connection: psycopg.Connection[tuple[Any, ...]], prefix: str, count: int
) -> Iterator[str]:
    query = f"""
    WITH stored AS ({contender.ids}), sent AS (
        SELECT %s || lpad(n::text, 10, '0') AS id FROM generate_series(0, %s - 1) AS n
    )
    SELECT (SELECT count(*) FROM stored), (SELECT count(*) FROM stored JOIN sent USING (id))
    """  # noqa: S608 - the query of a contender is text of this file
    row = connection.execute(query.encode(), [prefix, count]).fetchone()
    if row != (count, count):
        yield f"{contender.label}: of {count} ids sent, (stored, as sent) are {row}"
