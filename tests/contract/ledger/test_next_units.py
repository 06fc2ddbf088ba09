"""Use that changes nothing but a sum is added without a look at anything else: up to what number,
and what happens when that number moves.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from tests.support.database import new_database
from tests.support.invented import AT, NOW, apply, seconds
from tests.support.usage_figures import find_level
from tests.support.writing import ask

MOST = 2**63 - 1
_NEXT = """
SELECT ledger.next_units(%s::bigint, %s::bigint, %s::smallint, %s::smallint, %s::bigint, %s::bigint)
"""
_PLAN = """
INSERT INTO shared.plan_meters (
    plan, meter, quota, limits, currency, decimals, tier_units, tier_prices
) VALUES ('pro', 'fix', %s, '{}', 'usd', 2, %s, %s)
"""
_UNITS = st.none() | st.integers(0, 120)


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedServer) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A ledger that is only asked."""
    with new_database(postgres) as conninfo:
        migrate(conninfo)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            yield connection


@st.composite
def figures(draw: st.DrawFn) -> tuple[int, int | None, int, int, list[int], int | None]:
    """What was used, a quota, the two percentages, limits, and from how many units on one pays."""
    warning, critical = sorted((draw(st.integers(1, 99)), draw(st.integers(1, 100))))
    limits = draw(st.lists(st.integers(1, 120), max_size=3, unique=True))
    return draw(st.integers(0, 130)), draw(_UNITS), warning, critical, limits, draw(_UNITS)


@given(figures())
def test_it_is_where_a_level_a_limit_or_the_cost_changes_next(
    connection: psycopg.Connection[tuple[Any, ...]],
    given: tuple[int, int | None, int, int, list[int], int | None],
) -> None:
    used, quota, warning, critical, limits, tier = given

    def state(units: int) -> tuple[object, ...]:
        paid = 0 if tier is None else max(0, units - tier)
        passed = max((limit for limit in limits if limit <= units), default=0)
        return find_level(units, quota, warning, critical), passed, paid

    changes = (units for units in range(used + 1, 300) if state(units) != state(used))
    next_limit = min((limit for limit in limits if limit > used), default=None)
    parameters = [used, quota, warning, critical, next_limit, tier]
    assert connection.execute(_NEXT, parameters).fetchone() == (next(changes, MOST),)


def use(conninfo: str, quantity: int) -> None:
    """Units that acme used."""
    hour = {"hour": seconds(NOW), "last_at": seconds(NOW), "events": 1}
    apply(
        conninfo, usage=[{"organization_id": "acme", "meter": "fix", "quantity": quantity, **hour}]
    )


def make_plan(conninfo: str, quota: int, tiers: list[int]) -> None:
    """The default, in a ledger that is up to date."""
    migrate(conninfo)
    ask(conninfo, _PLAN, quota, tiers, [1] * len(tiers))
    ask(conninfo, "UPDATE shared.billing_settings SET default_plan = 'pro'")


@pytest.mark.parametrize("tiers", [[], [MOST]])
def test_all_the_units_there_are_may_be_a_quota(any_database_url: str, tiers: list[int]) -> None:
    make_plan(any_database_url, MOST, tiers)
    for _ in range(2):
        use(any_database_url, 5)
    assert ask(any_database_url, "SELECT used, level, cost_minor FROM shared.usage") == [(10, 0, 0)]


def test_a_changed_threshold_is_found_before_it_is_passed(any_database_url: str) -> None:
    make_plan(any_database_url, 1000, [])
    use(any_database_url, 400)
    ask(any_database_url, "UPDATE shared.billing_settings SET warning_percent = 50")
    sweep = "SELECT ledger.sweep_usage(%s, 100)"
    assert [ask(any_database_url, sweep, AT) for _ in range(2)] == [[(1,)], [(0,)]]
    use(any_database_url, 100)
    raised = ask(any_database_url, "SELECT type, message FROM shared.billing_alerts")
    assert [(kind, text.partition(" of the quota")[0]) for kind, text in raised] == [
        ("usage_threshold", "Usage of fix is at 50%")
    ]
