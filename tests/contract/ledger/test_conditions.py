"""What no single event tells of an organisation, on histories of a few weeks."""

from collections.abc import Callable
from datetime import UTC, datetime

from exporter.ledger.connection import connect
from exporter.monitors.conditions import judge_conditions, judge_quotas
from tests.support.passes import DAY, HOUR, NOON, WEEK, Connection, alerts, judge, use


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


async def test_the_monitors_judge_by_the_clock_and_end_what_is_stale(
    connection: Connection, database_url: str
) -> None:
    now = datetime.now(UTC)
    connection.execute(
        "INSERT INTO shared.organizations (organization_id, period_start, period_end) "
        "VALUES ('acme', %s, %s)",
        (now - 3 * DAY, now + 27 * DAY),
    )
    for week in range(5, 0, -1):
        use(connection, now - week * WEEK, 1_500)
    use(connection, now - DAY, 7_000)
    use(connection, now, 9_000)
    connection.execute(
        "INSERT INTO shared.billing_alerts (organization_id, type, severity, title, message, "
        "created_at, updated_at) VALUES ('old', 'payment_failed', 'critical', 'Title', 'Message', "
        "now() - interval '31 days', now() - interval '31 days')"
    )
    own = await connect(database_url)
    try:
        for _ in range(2):
            await judge_conditions(own)
            await judge_quotas(own)
    finally:
        await own.close()
    for type_ in ("usage_anomaly", "quota_exhaustion"):
        assert [row[1] for row in alerts(connection, type_)] == [None]
    ((_, resolution),) = alerts(connection, "payment_failed")
    assert resolution is not None
