"""shared.detect_usage_anomalies against a simple computation over the raw log."""

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from exporter.ledger.migrate import migrate
from tests.support.answers import DAY, HOUR, find_anomalies, invent_history, sum_logs
from tests.support.writing import ask

AT = datetime(2026, 3, 30, 12, 34, 56, tzinfo=UTC)
NOW = AT.replace(minute=0, second=0)
_FOUND = "SELECT * FROM ledger.usage_anomalies(%s, %s, %s)"


def add_usage(conninfo: str, rows: list[tuple[str, str, datetime, int]]) -> None:
    """Commit it as groups do."""
    facts = [
        {"organization_id": organization, "meter": meter, "hour": int(hour.timestamp()),
         "quantity": units, "events": 1, "last_at": hour.timestamp()}
        for organization, meter, hour, units in rows
    ]  # fmt: skip
    ask(conninfo, "SELECT ledger.apply_facts(%s, %s)", AT, json.dumps({"usage": facts}))


def steady(organization: str, units: int, days: int = 9) -> list[tuple[str, str, datetime, int]]:
    """So many units each full hour up to now."""
    hours = (NOW - n * HOUR for n in range(1, days * 24 + 1))
    return [(organization, "api_calls", hour, units) for hour in hours]


@pytest.mark.parametrize("seed", range(2))
def test_it_equals_a_simple_computation_over_the_raw_log(any_database_url: str, seed: int) -> None:
    chance = random.Random(seed)
    migrate(any_database_url)
    rows = [
        (f"org_{n}", meter, hour, units)
        for n in range(60)
        for meter in ("api_calls", "fix")
        for hour, units in invent_history(chance, NOW)
    ]
    half = [(*key, units // 2) for *key, units in rows]
    add_usage(any_database_url, half)
    add_usage(any_database_url, [(*key, units - units // 2) for *key, units in rows])
    logs = ask(
        any_database_url, "SELECT organization_id, meter, hour, quantity FROM shared.api_usage_logs"
    )
    assert len(logs) == len(rows)
    histories = sum_logs(logs)
    directions = set()
    for hours, threshold in ((24, "2.0"), (1, "2"), (23, "1.5"), (25, "3.25"), (60, "1.1")):
        given = Decimal(threshold)
        expected = find_anomalies(histories, AT, hours, given)
        found = ask(any_database_url, _FOUND, AT, hours, given)
        assert len(found) == len(set(found))
        assert set(found) == expected
        directions |= {row[-1] for row in expected}
    assert directions == {"above", "below"}


def test_surges_and_falls_are_told_with_what_was_expected(database_url: str) -> None:
    migrate(database_url)
    rows = steady("surges", 100)
    rows += [("surges", "api_calls", NOW - 3 * HOUR, 150)]
    falls = [row for row in steady("falls", 100) if row[2] != NOW - 2 * HOUR]
    add_usage(database_url, rows + falls + steady("steady", 100))
    surge = ("surges", "api_calls", NOW - 3 * HOUR, 250, 100, Decimal("2.50"), "above")
    fall = ("falls", "api_calls", NOW - 2 * HOUR, 0, 100, Decimal("0.00"), "below")
    assert ask(database_url, _FOUND, AT, 24, 2) == [surge, fall]
    assert ask(database_url, _FOUND, AT, 2, 2) == [fall]
    assert ask(database_url, _FOUND, AT, 24, Decimal("2.6")) == [fall]
    # The hour that runs is not over.
    assert ask(database_url, _FOUND, AT - 2 * HOUR, 1, 2) == [surge]


def test_outliers_few_units_and_new_customers_are_no_anomalies(database_url: str) -> None:
    migrate(database_url)
    # Three of the seven same hours before were as high.
    rows = steady("outliers", 100)
    for days in (0, 2, 4, 6):
        rows.append(("outliers", "api_calls", NOW - HOUR - days * DAY, 900))
    rows += [*steady("few", 3), ("few", "api_calls", NOW - HOUR, 9)]
    rows += [*steady("new", 100, days=7), ("new", "api_calls", NOW - HOUR, 900)]
    # Used now and then, and not more than usual.
    rows += [("sparse", "api_calls", NOW - n * 31 * HOUR, 500) for n in range(1, 9)]
    add_usage(database_url, rows)
    found = ask(database_url, _FOUND, AT, 24, 2)
    assert [(name, used, expected) for name, _, _, used, expected, _, _ in found] == [
        ("outliers", 1000, 100)
    ]


@pytest.mark.parametrize(
    ("hours", "threshold"),
    [(0, 2), (745, 2), (None, 2), (24, 1), (24, 0), (24, -1), (24, Decimal("NaN")), (24, None)],
)
def test_what_makes_no_sense_is_refused(
    database_url: str, hours: int | None, threshold: Decimal | None
) -> None:
    migrate(database_url)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="must be"):
        ask(database_url, _FOUND, AT, hours, threshold)


def test_a_session_in_another_time_zone_is_told_the_same(any_database_url: str) -> None:
    migrate(any_database_url)
    # Its clocks went forward on the 29th, and it is half an hour off elsewhere.
    rows = [*steady("surges", 100, 12), ("surges", "api_calls", NOW - 3 * HOUR, 150)]
    add_usage(any_database_url, rows)
    answers = set()
    for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata"):
        with psycopg.connect(any_database_url, options=f"-c timezone={zone}") as connection:
            found = connection.execute(_FOUND.encode(), (AT, 60, 2)).fetchall()
            answers.add(tuple(found))
    assert len(answers) == 1
    assert answers.pop()[0][2] == AT.replace(minute=0, second=0) - timedelta(hours=3)
