"""What no single event tells of an organisation, on histories of a few weeks."""

import json
import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.monitors.conditions import judge_conditions

# A Tuesday.
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
PLAN = (
    "INSERT INTO shared.plan_meters (plan, meter, quota, currency, decimals, tier_units, "
    "tier_prices) VALUES ('pro', 'fix', 20000, 'usd', 2, '{0}', '{1}')"
)
Connection = psycopg.Connection[Any]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A ledger with one plan, in which a unit costs a cent, and which everybody has."""
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(PLAN.encode())
        connection.execute("UPDATE shared.billing_settings SET default_plan = 'pro'")
        yield connection


def use(connection: Connection, at: datetime, quantity: int, organization: str = "acme") -> None:
    """So much usage at that time, which came at that time."""
    told = {
        "organization_id": organization,
        "scope": "own:live",
        "meter": "fix",
        "hour": int(at.timestamp()) // 3600 * 3600,
        "quantity": quantity,
        "events": 1,
        "last_at": at.timestamp(),
    }
    connection.execute("SELECT ledger.apply_facts(%s, %s)", (at, json.dumps({"usage": [told]})))


def judge(connection: Connection, at: datetime) -> None:
    """A pass of the monitor at that time."""
    since = at - timedelta(minutes=15)
    connection.execute("SELECT ledger.close_hours(%s, 100)", (at,))
    connection.execute("SELECT ledger.judge_hours(%s, 100)", (at,))
    connection.execute("SELECT ledger.judge_costs(%s, %s)", (at, since))
    connection.execute("SELECT ledger.judge_quotas(%s, %s)", (at, since))
    connection.execute("SELECT ledger.judge_silence(%s)", (at,))


def alerts(connection: Connection, type_: str) -> list[tuple[Any, ...]]:
    """Message and resolution of the alerts of a type, in the order of their raising."""
    return connection.execute(
        "SELECT message, resolution FROM shared.billing_alerts WHERE type = %s ORDER BY created_at",
        (type_,),
    ).fetchall()


def test_an_hour_far_above_the_same_hour_of_other_weeks_is_told_once(
    connection: Connection,
) -> None:
    for week in range(5, 0, -1):
        # One of them was a spike, too, and doesn't hide this one.
        use(connection, NOON - week * WEEK, 50_000 if week == 2 else 1_500)
    use(connection, NOON, 2_900)
    judge(connection, NOON)
    assert alerts(connection, "usage_anomaly") == []
    use(connection, NOON + timedelta(minutes=5), 200)
    judge(connection, NOON + timedelta(minutes=6))
    judge(connection, NOON + timedelta(minutes=7))
    told = "Usage of fix is at 3100 in the hour from 2026-03-10 12:00 UTC; 1500 was to be expected."
    assert alerts(connection, "usage_anomaly") == [(told, None)]


def test_an_unusual_hour_ends_with_a_usual_one(connection: Connection) -> None:
    for week in range(5, 0, -1):
        for hour in range(2):
            use(connection, NOON - week * WEEK + hour * HOUR, 1_500)
    use(connection, NOON, 9_000)
    judge(connection, NOON)
    judge(connection, NOON + HOUR)
    ((_, resolution),) = alerts(connection, "usage_anomaly")
    assert resolution is None
    use(connection, NOON + HOUR, 1_400)
    judge(connection, NOON + HOUR + timedelta(minutes=1))
    judge(connection, NOON + 2 * HOUR)
    ((_, resolution),) = alerts(connection, "usage_anomaly")
    assert resolution == "An hour of usual usage followed."


def test_an_hour_that_stayed_far_below_is_told_when_it_is_over(connection: Connection) -> None:
    for week in range(5, 0, -1):
        use(connection, NOON - week * WEEK, 1_500)
    use(connection, NOON, 10)
    judge(connection, NOON)
    assert alerts(connection, "usage_anomaly") == []
    judge(connection, NOON + HOUR)
    ((message, _),) = alerts(connection, "usage_anomaly")
    assert message == (
        "Usage of fix was 10 in the hour from 2026-03-10 12:00 UTC; 1500 was to be expected."
    )


@pytest.mark.parametrize("weeks", [0, 2])
def test_nobody_is_judged_by_less_than_three_weeks(connection: Connection, weeks: int) -> None:
    for week in range(weeks, 0, -1):
        use(connection, NOON - week * WEEK, 1_500)
    use(connection, NOON, 10**6)
    judge(connection, NOON)
    assert alerts(connection, "usage_anomaly") == []


def test_what_is_not_worth_a_message_is_not_told(connection: Connection) -> None:
    for week in range(5, 0, -1):
        use(connection, NOON - week * WEEK, 1)
    # 9.99 dollars more, of 10.
    use(connection, NOON, 1_000)
    judge(connection, NOON)
    assert alerts(connection, "usage_anomaly") == []
    use(connection, NOON, 2)
    judge(connection, NOON)
    assert len(alerts(connection, "usage_anomaly")) == 1


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.integers(0, 10**6), min_size=3, max_size=11), st.integers(1, 6), st.integers(0, 999)
)
def test_the_baseline_is_the_median_with_its_spread(
    connection: Connection, weeks: list[int], deviations: int, least_units: int
) -> None:
    connection.execute("TRUNCATE shared.api_usage_logs")
    # It was used for the first time in the oldest of these weeks.
    weeks[-1] = max(1, weeks[-1])
    for number, quantity in enumerate(weeks, 1):
        if quantity:
            connection.execute(
                "INSERT INTO shared.api_usage_logs VALUES ('acme', 'fix', %s, %s, 1, now())",
                (NOON - number * WEEK, quantity),
            )
    found = connection.execute(
        "SELECT * FROM ledger.hour_baseline('acme', 'fix', %s, %s, %s)",
        (NOON, deviations, least_units),
    ).fetchone()
    assert found is not None
    expected, lower, upper = found
    known = weeks[:8]
    median = statistics.median(known)
    spread = deviations * 1.4826 * statistics.median(abs(week - median) for week in known)
    assert abs(expected - median) <= 0.5
    assert abs(upper - (median + max(spread, median, least_units))) <= 1
    if median < least_units:
        assert lower is None
    else:
        assert abs(lower - (median - max(spread, 0.8 * median))) <= 1


def daily(
    connection: Connection, first: datetime, days: int, quantity: Callable[[datetime], int]
) -> None:
    """Use, and a pass, each day at the same hour."""
    for number in range(days):
        at = first + number * DAY
        if quantity(at):
            use(connection, at, quantity(at))
        judge(connection, at)


def test_costs_far_above_those_of_the_period_before_are_told_once(connection: Connection) -> None:
    first = datetime(2026, 2, 1, 12, tzinfo=UTC)
    # Always 2.5 times as much, of which the first four days are not worth a message.
    daily(connection, first, 32, lambda at: 400 if at.month == 2 else 1_000)
    assert alerts(connection, "cost_spike") == []
    daily(connection, first + 32 * DAY, 9, lambda _: 1_000)
    told = (
        "Usage has cost 50.00 USD in this period; it was 20.00 USD at the same point of the last "
        "one."
    )
    assert alerts(connection, "cost_spike") == [(told, None)]
    judge(connection, datetime(2026, 4, 1, tzinfo=UTC))
    connection.execute("SELECT ledger.sweep_usage(%s, 10)", (datetime(2026, 4, 1, tzinfo=UTC),))
    judge(connection, datetime(2026, 4, 1, tzinfo=UTC))
    assert alerts(connection, "cost_spike") == [(told, "Its period is over.")]


def test_costs_that_are_no_more_than_usual_are_not_told(connection: Connection) -> None:
    daily(connection, datetime(2026, 2, 1, 12, tzinfo=UTC), 55, lambda at: 300 + 10 * at.day)
    assert alerts(connection, "cost_spike") == []


def test_a_quota_that_will_not_last_is_told_with_the_day(connection: Connection) -> None:
    first = datetime(2026, 3, 1, 12, tzinfo=UTC)
    # A thousand a day: what is left lasts four days, then three.
    daily(connection, first, 16, lambda at: 900 + 200 * (at.day % 2))
    assert alerts(connection, "quota_exhaustion") == []
    daily(connection, first + 16 * DAY, 1, lambda _: 1_100)
    told = (
        "Usage of fix (17100 of 20000) reaches the quota on 2026-03-20, give or take 0.2 days; "
        "the period ends on 2026-04-01."
    )
    assert alerts(connection, "quota_exhaustion") == [(told, None)]
    use(connection, first + 17 * DAY, 3_000)
    judge(connection, first + 17 * DAY)
    assert alerts(connection, "quota_exhaustion") == [(told, "The quota is used up.")]


def test_an_organisation_that_falls_silent_is_told_once_and_until_it_is_back(
    connection: Connection,
) -> None:
    daily(connection, NOON - 10 * DAY, 10, lambda _: 5)
    last = NOON - DAY
    judge(connection, last + 24 * HOUR)
    assert alerts(connection, "organization_silent") == []
    for hours in (25, 26, 47, 49, 100):
        judge(connection, last + hours * HOUR)
    told = "Fix has not been used since 2026-03-09 12:00 UTC, after use on 7 of seven days."
    assert alerts(connection, "organization_silent") == [(told, None)]
    use(connection, last + 101 * HOUR, 1)
    judge(connection, last + 101 * HOUR)
    assert alerts(connection, "organization_silent") == [(told, "It is used again.")]


def test_who_was_hardly_active_is_not_missed(connection: Connection) -> None:
    daily(connection, NOON - 10 * DAY, 10, lambda at: 5 if at.day % 2 else 0)
    for hours in (25, 26, 47):
        judge(connection, NOON - DAY + hours * HOUR)
    assert alerts(connection, "organization_silent") == []


async def test_the_monitor_judges_by_the_clock_and_ends_what_is_stale(
    connection: Connection, database_url: str
) -> None:
    now = datetime.now(UTC)
    for week in range(5, 0, -1):
        use(connection, now - week * WEEK, 1_500)
    use(connection, now, 9_000)
    connection.execute(
        "INSERT INTO shared.billing_alerts (organization_id, type, severity, title, message, "
        "created_at, updated_at) VALUES ('old', 'payment_failed', 'critical', 'Title', 'Message', "
        "now() - interval '31 days', now() - interval '31 days')"
    )
    own = await connect(database_url)
    try:
        await judge_conditions(own)
        await judge_conditions(own)
    finally:
        await own.close()
    assert [row[1] for row in alerts(connection, "usage_anomaly")] == [None]
    ((_, resolution),) = alerts(connection, "payment_failed")
    assert resolution is not None
