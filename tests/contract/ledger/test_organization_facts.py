"""What events tell of organisations, by the way that they really come: decoded, then committed."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from exporter.catalogue.book import Catalogue
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.entry import Submission
from exporter.stripe_events.plans import PlanNames
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment, usage
from tests.support.writing import Replica, ask, running

HOURS = "SELECT organization_id, meter, quantity, events FROM shared.api_usage_logs ORDER BY 1, 2"
ALERTS = "SELECT organization_id, type, resolution FROM shared.billing_alerts ORDER BY created_at"


async def tell(main: Replica, *events: dict[str, Any]) -> None:
    """Commit the app's events as one request does."""
    telemetry = Telemetry(Catalogue(), "usd", True, 90)
    entries = [telemetry.decode(json.dumps(event).encode()) for event in events]
    await main.writer.submit(Submission(tuple(entries), 100))


async def tell_stripe(main: Replica, *events: dict[str, Any]) -> None:
    """Commit Stripe's events, each as one request does."""
    reader = StripeEntries(Catalogue(), PlanNames({"pro": ("price_pro",)}), (True, False), ())
    for event in events:
        raw = json.dumps(event).encode()
        await main.writer.submit(reader.submission(raw, reader.read(raw)))


def failed(event_id: str, minutes_ago: float, **changes: Any) -> dict[str, Any]:
    """A payment of an organisation that failed some time ago."""
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    told = {"organization_id": "acme", "status": "failed", **changes}
    return payment(event_id, occurred_at=at.isoformat(), metadata=told)


def test_usage_is_kept_by_organisation_and_counts_once(database_url: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with running(database_url, tmp_path) as main:
            first = usage("u1", 5, organization_id="acme")
            await tell(main, first, usage("u2", 7, organization_id="acme"))
            await tell(main, first, usage("u3", 1, organization_id="other"))
            # Nobody's.
            await tell(main, usage("u4", 9))

    asyncio.run(story())
    assert ask(database_url, HOURS) == [("acme", "fix", 12, 2), ("other", "fix", 1, 1)]


def test_a_customer_is_an_organisation_until_one_is_named(
    database_url: str, tmp_path: Path
) -> None:
    async def story() -> None:
        async with running(database_url, tmp_path) as main:
            await tell(main, usage("u1", 5, customer_id="cus_1"))
            assert ask(database_url, HOURS) == [("cus_1", "fix", 5, 1)]
            await tell(main, usage("u2", 1, customer_id="cus_1", organization_id="acme"))
            await tell(main, usage("u3", 1, customer_id="cus_1"))

    asyncio.run(story())
    assert ask(database_url, HOURS) == [("acme", "fix", 7, 3)]
    assert ask(database_url, "SELECT organization_id FROM shared.organizations") == [("acme",)]


def test_a_meter_that_is_not_configured_is_other(database_url: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with running(database_url, tmp_path) as main:
            await tell(main, usage("u1", 5, organization_id="acme", resource_type="no such"))

    asyncio.run(story())
    assert ask(database_url, HOURS) == [("acme", "other", 5, 1)]


def test_stripe_says_plan_period_and_organisation(database_url: str, tmp_path: Path) -> None:
    subscription = fixture("subscription_created_basil", customer="cus_1")
    held = subscription["data"]["object"]
    held["metadata"] = {"organization_id": "acme"}
    for item in held["items"]["data"]:
        item["price"]["id"] = "price_pro"

    async def story() -> None:
        async with running(database_url, tmp_path) as main:
            await tell(main, usage("u1", 5, customer_id="cus_1"))
            await tell_stripe(main, subscription)

    asyncio.run(story())
    ((name, plan, anchored),) = ask(
        database_url,
        "SELECT organization_id, plan, extract(epoch FROM anchor_end)::bigint "
        "FROM shared.organizations",
    )
    assert (name, plan) == ("acme", "pro")
    assert anchored == held["items"]["data"][0]["current_period_end"]
    assert ask(database_url, HOURS) == [("acme", "fix", 5, 1)]


def test_a_failed_payment_asks_for_action_until_a_later_one_succeeds(
    database_url: str, tmp_path: Path
) -> None:
    async def story() -> None:
        async with running(database_url, tmp_path) as main:
            await tell(main, failed("p1", 30))
            # Before it.
            await tell(main, failed("p2", 40, status="success"))
            assert ask(database_url, ALERTS) == [("acme", "payment_failed", None)]
            await tell(main, failed("p3", 20, status="success"))
            # Came late.
            await tell(main, failed("p4", 25))

    asyncio.run(story())
    assert ask(database_url, ALERTS) == [("acme", "payment_failed", "A later payment succeeded.")]


def test_a_stripe_payment_that_failed_is_an_alert_about_its_customer(
    database_url: str, tmp_path: Path
) -> None:
    event = fixture("charge_failed_2016", customer="cus_9")

    async def story() -> None:
        async with running(database_url, tmp_path) as main:
            await tell_stripe(main, event, event)

    asyncio.run(story())
    assert ask(database_url, ALERTS) == [("cus_9", "payment_failed", None)]


def credit_event(event_id: str, kind: str, quantity: int, **metadata: str) -> dict[str, Any]:
    """Credits of an organisation that were added or consumed."""
    return usage(event_id, quantity, **metadata) | {
        "event": f"credits_{kind}",
        "metadata": metadata or {"organization_id": "acme"},
    }


def test_credits_that_run_out_are_told_until_there_are_more(
    database_url: str, tmp_path: Path
) -> None:
    async def story() -> None:
        async with running(database_url, tmp_path) as main:
            ask(database_url, "UPDATE shared.billing_settings SET low_credits = 50")
            # Few from the start is no news.
            await tell(main, credit_event("c1", "added", 40))
            assert ask(database_url, ALERTS) == []
            await tell(main, credit_event("c2", "added", 60))
            await tell(main, credit_event("c3", "consumed", 50))
            assert ask(database_url, ALERTS) == []
            await tell(main, credit_event("c4", "consumed", 1), credit_event("c5", "consumed", 2))
            assert ask(database_url, ALERTS) == [("acme", "credits_low", None)]
            await tell(main, credit_event("c5", "consumed", 2))
            await tell(main, credit_event("c6", "added", 3))

    asyncio.run(story())
    assert ask(database_url, "SELECT * FROM shared.credit_balances") == [("acme", 50)]
    told = "There are enough credits again."
    assert ask(database_url, ALERTS) == [("acme", "credits_low", told)]


def test_a_customer_takes_its_credits_to_its_organisation(
    database_url: str, tmp_path: Path
) -> None:
    async def story() -> None:
        async with running(database_url, tmp_path) as main:
            await tell(main, credit_event("c1", "added", 40, customer_id="cus_1"))
            named = {"customer_id": "cus_1", "organization_id": "acme"}
            await tell(main, credit_event("c2", "consumed", 30, **named))

    asyncio.run(story())
    assert ask(database_url, "SELECT * FROM shared.credit_balances") == [("acme", 10)]
