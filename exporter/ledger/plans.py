"""The plans, quotas and prices of `billing.yml`, as the ledger judges usage by them."""

from collections.abc import Iterator
from typing import Any

import structlog
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from exporter.catalogue.currencies import DECIMALS
from exporter.ledger.connection import Connection
from exporter.ledger.queries import PLANS
from exporter.settings import Config

_log = structlog.get_logger(component="ledger")


async def write_plans(connection: Connection, config: Config) -> int:
    """Bring `shared.plan_meters` and `shared.billing_settings` to what the configuration says, in
    one transaction; how many rows that changed. Whoever writes last holds, as a whole.

    Usage that has other figures by it is settled with its next event, or by the repair sweep.
    """
    rows = {"rows": Jsonb([*_plan_meters(config)])}
    settings = {"row": Jsonb({"default_plan": config.default_plan, **asdict(config.usage)})}
    changed = 0
    async with connection.transaction():
        await connection.execute(PLANS["lock_plans"])
        for query, parameters in (
            ("write_billing_settings", settings),
            ("delete_plan_meters", rows),
            ("write_plan_meters", rows),
        ):
            cursor = await connection.execute(PLANS[query], parameters)
            changed += cursor.rowcount
    if changed:
        _log.info("quotas and prices changed", rows=changed)
    return changed


def _plan_meters(config: Config) -> Iterator[dict[str, Any]]:
    """The rows of `shared.plan_meters`, as JSON has them: prices as text, as they are exact."""
    for plan, of_plan in config.plans.items():
        currency = of_plan.currency or config.default_currency
        for name, meter in of_plan.meters.items():
            prices = meter.prices()
            yield {
                "plan": plan,
                "meter": name,
                "quota": meter.quota,
                "limits": meter.limits,
                "currency": currency,
                "decimals": DECIMALS[currency],
                "tier_units": [above for above, _ in prices],
                "tier_prices": [str(price) for _, price in prices],
            }
