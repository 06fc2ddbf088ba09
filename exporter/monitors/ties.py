"""Subscriptions whose last two events are of the same second: Stripe is asked how they are."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import stripe
import structlog

from exporter.domain.subscription import TERMINAL_STATUSES, Subscription
from exporter.ledger.connection import Connection
from exporter.ledger.queries import UPKEEP
from exporter.monitors.supervisor import Monitor
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.plans import PlanNames
from exporter.stripe_events.subscription import read_subscription

INTERVAL_SECONDS = 10.0
MOST_PER_PASS = 20
_TIMEOUT_SECONDS = 10
_log = structlog.get_logger(component="monitors")

# Account ("own" or a Connect id) and subscription id to the subscription as Stripe has it now.
Fetch = Callable[[str, str], dict[str, Any]]


def make_client(secret_key: Callable[[], str], api_base: str) -> stripe.StripeClient:
    """Asks Stripe's API, once and not for long; blocks."""
    return stripe.StripeClient(
        secret_key(),
        base_addresses={"api": api_base} if api_base else {},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=_TIMEOUT_SECONDS),
    )


def make_fetch(secret_key: Callable[[], str], api_base: str) -> Fetch:
    """Reads one subscription with the account's key, which is asked for each time; blocks, raises
    stripe.StripeError.
    """
    client = make_client(secret_key, api_base)

    def fetch(account: str, subscription_id: str) -> dict[str, Any]:
        options = {"api_key": secret_key()}
        if account != "own":
            options["stripe_account"] = account
        answer = client.raw_request("get", f"/v1/subscriptions/{subscription_id}", **options)
        return dict(answer.data)

    return fetch


@dataclass(frozen=True)
class ResolveTies:
    """Asks Stripe for each tied subscription and stores its answer, unless a later event came
    meanwhile. One that can't be asked for stays tied until the next pass.
    """

    fetch: Fetch
    plans: PlanNames

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        cursor = await connection.execute(UPKEEP["read_ties"], {"rows": MOST_PER_PASS})
        for scope, subscription_id, event_id, livemode in await cursor.fetchall():
            account = scope.rpartition(":")[0]
            try:
                found = await asyncio.to_thread(self.fetch, account, subscription_id)
            except stripe.StripeError as error:
                _log.warning("Stripe could not be asked", error=type(error).__name__)
                return
            state = self._read(found, livemode)
            await connection.execute(
                UPKEEP["resolve_tie"],
                {
                    "scope": scope,
                    "subscription_id": subscription_id,
                    "event_id": event_id,
                    "status": state.status,
                    "plan": state.plan,
                    "period_start": state.period_start_seconds,
                    "period_end": state.period_end_seconds,
                    "terminal": state.status in TERMINAL_STATUSES,
                },
            )

    def _read(self, found: dict[str, Any], livemode: bool) -> Subscription:
        event = StripeEvent(
            id="fetched",
            type="customer.subscription.updated",
            created_seconds=0,
            livemode=livemode,
            account=None,
            object=found,
            previous={},
            thin=False,
        )
        return read_subscription(event, self.plans)


def make_ties_monitor(fetch: Fetch, plans: PlanNames) -> Monitor:
    """The monitor, for when a Stripe key is set."""
    return Monitor("ties", INTERVAL_SECONDS, ResolveTies(fetch, plans))
