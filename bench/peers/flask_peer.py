"""Peer (a): what Stripe's own guides lead to. Flask, the SDK's `construct_event`, and a transaction
a request from a psycopg pool; gunicorn runs it with threads.

The total of each type is kept in the same transaction; the counters on `/metrics` are
prometheus-client's, in the mode for several processes.
"""

from typing import Any

import stripe
from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from psycopg_pool import ConnectionPool

from bench.payloads import WEBHOOK_PATH
from tests.support.stripe import WEBHOOK_SECRET

WORKERS = 2
THREADS = 8
_STORE = "INSERT INTO events (id, type, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_COUNT = """
INSERT INTO counters AS c (type, value) VALUES (%s, 1)
ON CONFLICT (type) DO UPDATE SET value = c.value + 1
"""
_EVENTS = Counter("peer_events", "Events stored.", ["type"])


def make_app(conninfo: str) -> Flask:
    """The application of one worker."""
    app = Flask(__name__)
    pool = ConnectionPool(conninfo, min_size=THREADS, max_size=THREADS, open=True)
    pool.wait()

    @app.post(WEBHOOK_PATH)
    def take_webhook() -> tuple[dict[str, Any], int]:
        body = request.get_data()
        signature = request.headers.get("Stripe-Signature", "")
        try:
            event = stripe.Webhook.construct_event(body, signature, WEBHOOK_SECRET)
        except (ValueError, stripe.SignatureVerificationError):
            return {}, 400
        with pool.connection() as connection:
            new = connection.execute(_STORE, (event.id, event.type, body)).rowcount
            if new:
                connection.execute(_COUNT, (event.type,))
        if new:
            _EVENTS.labels(event.type).inc()
        return {}, 200

    @app.get("/metrics")
    def metrics() -> Response:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), mimetype="text/plain")

    return app
