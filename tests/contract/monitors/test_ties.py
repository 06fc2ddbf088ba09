"""A tie is settled by asking Stripe; its API is a small double that answers over HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.exporter import running_exporter
from tests.support.waiting import wait_until


class StripeDouble(ThreadingHTTPServer):
    """Answers GET /v1/subscriptions/ID with `subscriptions`, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: StripeDouble

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        found = self.server.subscriptions.get(self.path.rpartition("/")[2])
        body = json.dumps(found or {"error": {"message": "none", "type": "api_error"}}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def stripe_double() -> Iterator[StripeDouble]:
    with StripeDouble() as double:
        thread = threading.Thread(target=double.serve_forever)
        thread.start()
        yield double
        double.shutdown()
        thread.join()


def _update(event_id: str, status: str) -> dict[str, Any]:
    subscription = {
        "id": "sub_tie",
        "object": "subscription",
        "customer": "cus_tie",
        "status": status,
        "items": {"data": [{"quantity": 1, "price": {"id": "price_1", "nickname": "pro"}}]},
    }
    return {
        "id": event_id,
        "object": "event",
        "type": "customer.subscription.updated",
        "created": 1_750_000_000,
        "livemode": False,
        "data": {"object": subscription, "previous_attributes": {}},
    }


def test_two_updates_of_one_second_are_settled_by_asking_stripe(
    tmp_path: Path, database_url: str, stripe_double: StripeDouble
) -> None:
    stripe_double.subscriptions["sub_tie"] = _update("", "active")["data"]["object"]
    settings = {
        "STRIPE_SECRET_KEY": "sk_test_for_tests_only",
        "BILLING_STRIPE_API_BASE": stripe_double.url,
    }
    with running_exporter(tmp_path / "main", database_url, settings) as exporter:
        # By status alone the later in a subscription's life wins: past_due, which is wrong here.
        for event in (_update("evt_b", "past_due"), _update("evt_a", "active")):
            assert exporter.send_stripe(event).status_code == 200

        def settled() -> bool:
            with psycopg.connect(database_url) as connection:
                row = connection.execute("SELECT status, tied FROM shared.subscriptions").fetchone()
            return row == ("active", False)

        wait_until(settled, 30, "the tie is settled")
        assert "/v1/subscriptions/sub_tie" in stripe_double.asked
        wait_until(
            lambda: exporter.scrape().total("billing_subscriptions", status="active") == 1,
            10,
            "the gauge shows it",
        )
