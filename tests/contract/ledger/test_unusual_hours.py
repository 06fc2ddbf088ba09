"""Hours of usage against the same hour of the weeks before."""

import statistics
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.passes import HOUR, NOON, WEEK, Connection, alerts, judge, use


def weeks_of_use(connection: Connection, organization: str = "acme") -> None:
    """As much at noon as in the two hours after it, in each of five weeks."""
    for week in range(5, 0, -1):
        for hour in range(3):
            use(connection, NOON - week * WEEK + hour * HOUR, 1_500, organization)


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
    weeks_of_use(connection)
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
    weeks_of_use(connection)
    use(connection, NOON, 10)
    judge(connection, NOON)
    assert alerts(connection, "usage_anomaly") == []
    judge(connection, NOON + HOUR)
    ((message, _),) = alerts(connection, "usage_anomaly")
    assert message == (
        "Usage of fix was 10 in the hour from 2026-03-10 12:00 UTC; 1500 was to be expected."
    )


def test_hours_that_were_over_when_they_came_are_told_if_they_were_too_much(
    connection: Connection,
) -> None:
    weeks_of_use(connection)
    late = NOON + 3 * HOUR
    for hour, quantity in enumerate((20, 9_000, 1_400)):
        use(connection, NOON + hour * HOUR, quantity, came=late)
    judge(connection, late)
    told = "Usage of fix was 9000 in the hour from 2026-03-10 13:00 UTC; 1500 was to be expected."
    assert alerts(connection, "usage_anomaly") == [(told, None)]


def test_what_comes_a_day_late_is_not_told(connection: Connection) -> None:
    weeks_of_use(connection)
    use(connection, NOON, 9_000, came=NOON + 25 * HOUR)
    judge(connection, NOON + 25 * HOUR)
    assert alerts(connection, "usage_anomaly") == []


@pytest.mark.parametrize("before", [0, 100])
def test_what_is_used_in_the_last_minute_of_an_hour_is_told(
    connection: Connection, before: int
) -> None:
    weeks_of_use(connection)
    if before:
        use(connection, NOON, before)
        judge(connection, NOON)
    use(connection, NOON + timedelta(minutes=59, seconds=50), 9_000)
    use(connection, NOON + HOUR, 1)
    judge(connection, NOON + HOUR)
    told = (
        f"Usage of fix was {before + 9_000} in the hour from 2026-03-10 12:00 UTC; 1500 was to be "
        "expected."
    )
    assert alerts(connection, "usage_anomaly") == [(told, None)]


def test_more_of_an_hour_that_was_told_is_not_told_again(connection: Connection) -> None:
    weeks_of_use(connection)
    use(connection, NOON, 9_000)
    judge(connection, NOON)
    use(connection, NOON + HOUR, 1_400)
    judge(connection, NOON + HOUR)
    judge(connection, NOON + 2 * HOUR)
    use(connection, NOON, 1, came=NOON + 2 * HOUR)
    judge(connection, NOON + 2 * HOUR)
    ((_, resolution),) = alerts(connection, "usage_anomaly")
    assert resolution == "An hour of usual usage followed."


@pytest.mark.parametrize(("late", "is_too_much"), [(1_000, False), (9_000, True)])
def test_what_comes_late_ends_what_was_told_of_too_little(
    connection: Connection, late: int, *, is_too_much: bool
) -> None:
    weeks_of_use(connection)
    use(connection, NOON, 10)
    judge(connection, NOON)
    judge(connection, NOON + HOUR)
    use(connection, NOON, late, came=NOON + HOUR)
    judge(connection, NOON + HOUR)
    told = {resolution: message for message, resolution in alerts(connection, "usage_anomaly")}
    assert "was 10 in the hour" in told["What came late was enough."]
    assert (f"was {10 + late} in the hour" in told.get(None, "")) == is_too_much
    assert len(told) == 1 + is_too_much


@pytest.mark.parametrize("noted_at", [NOON + HOUR, NOON + timedelta(minutes=58)])
def test_an_hour_waits_until_it_has_begun_and_the_one_before_it_is_closed(
    connection: Connection, noted_at: datetime
) -> None:
    weeks_of_use(connection)
    use(connection, NOON, 10)
    judge(connection, NOON)
    use(connection, NOON + HOUR, 9_000, came=noted_at)
    connection.execute("SELECT ledger.judge_hours(%s, 100)", (noted_at,))
    assert alerts(connection, "usage_anomaly") == []
    judge(connection, NOON + HOUR)
    judge(connection, NOON + HOUR)
    kept = connection.execute("SELECT hour, closed FROM shared.usage_baselines").fetchall()
    assert kept == [(NOON + HOUR, False)]
    ((first, _),) = alerts(connection, "usage_anomaly")
    assert "was 10 in the hour from 2026-03-10 12:00" in first
    judge(connection, NOON + 2 * HOUR)
    assert connection.execute("SELECT count(*) FROM ledger.unjudged_usage").fetchone() == (0,)


def test_what_a_customer_used_is_judged_by_the_weeks_of_its_organisation(
    connection: Connection,
) -> None:
    weeks_of_use(connection, "cus_1")
    weeks_of_use(connection, "acme")
    for who in ("cus_1", "acme"):
        use(connection, NOON, 1_500, who)
    judge(connection, NOON)
    use(connection, NOON, 2_000, "cus_1")
    connection.execute("SELECT ledger.map_customer(%s, 'own:live', 'cus_1', 'acme', 'me')", (NOON,))
    judge(connection, NOON)
    assert alerts(connection, "usage_anomaly") == []
    found = connection.execute(
        "SELECT organization_id, expected FROM shared.usage_baselines"
    ).fetchall()
    assert found == [("acme", 3_000)]


def test_what_was_told_of_a_customer_is_told_of_its_organisation(connection: Connection) -> None:
    weeks_of_use(connection, "cus_1")
    use(connection, NOON, 9_000, "cus_1")
    judge(connection, NOON)
    connection.execute("SELECT ledger.map_customer(%s, 'own:live', 'cus_1', 'acme', 'me')", (NOON,))
    judge(connection, NOON)
    resolutions = [resolution for _, resolution in alerts(connection, "usage_anomaly")]
    assert resolutions == ["The customer was found to belong to acme.", None]


def test_what_an_open_alert_hid_is_told_when_it_ends(connection: Connection) -> None:
    weeks_of_use(connection)
    use(connection, NOON, 10)
    judge(connection, NOON)
    judge(connection, NOON + HOUR)
    use(connection, NOON + HOUR, 9_000)
    judge(connection, NOON + HOUR)
    use(connection, NOON, 1_490, came=NOON + HOUR)
    judge(connection, NOON + HOUR)
    judge(connection, NOON + HOUR + timedelta(minutes=1))
    (_, (message, resolution)) = alerts(connection, "usage_anomaly")
    assert "is at 9000 in the hour from 2026-03-10 13:00" in message
    assert resolution is None


def test_batches_of_hours_are_judged_once_each(connection: Connection) -> None:
    who = [f"org_{number}" for number in range(5)]
    for one in who:
        weeks_of_use(connection, one)
    judge(connection, NOON)
    for one in who:
        use(connection, NOON, 9_000, one)
    found = [
        connection.execute("SELECT ledger.judge_hours(%s, 2)", (NOON,)).fetchone() for _ in range(4)
    ]
    assert found == [(2,), (2,), (1,), (0,)]
    assert len(alerts(connection, "usage_anomaly")) == 5


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
