"""A batch is all or nothing, its answer names every bad event, and time and money have bounds."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.refusals import (
    EVENTS,
    assert_events_refused,
    assert_problem,
    assert_takes_events,
    nothing_counted,
)
from tests.support.telemetry import now_text, payment, usage

MAX_EVENTS = 10_000
KEPT_DAYS = 90
MARGIN_DAYS = 5


def at(days: float = 0, seconds: float = 0) -> dict[str, Any]:
    return payment(occurred_at=now_text(timedelta(days=days, seconds=seconds)))


def test_one_bad_event_keeps_a_batch_from_being_stored(target: ExporterProcess) -> None:
    good = [payment() for _ in range(20)]
    with nothing_counted(target):
        batch = [*good[:7], payment(measurements={}), *good[7:]]
        (error,) = assert_events_refused(target.send_events(batch), 7)
        assert error["reason"] == "measurements lacks amount."
    assert target.send_events(good).json() == {"accepted": 20, "duplicates": 0, "conflicts": 0}


def test_every_bad_event_of_a_batch_is_named_with_its_reason(target: ExporterProcess) -> None:
    bad: dict[int, tuple[dict[str, Any], str]] = {
        1: ({"measurements": {"amount": -1}}, "measurements.amount: Expected `int` >= 0."),
        3: ({"event": "unheard_of"}, "event isn't a kind that apps send."),
        4: ({"metadata": {"currency": "xyz"}}, "metadata.currency 'xyz' is not a currency"),
        8: ({"id": ""}, "id: Expected `str` of length >= 1."),
        9: ({"extra": 1}, "Object contains unknown field `extra`."),
    }
    batch = [payment(**bad[number][0]) if number in bad else payment() for number in range(10)]
    with nothing_counted(target):
        errors = assert_events_refused(target.send_events(batch), *bad)
        for error in errors:
            assert error["reason"].startswith(bad[error["position"]][1])


def test_the_answer_names_ten_thousand_bad_events(target: ExporterProcess) -> None:
    batch = [payment(str(number), measurements={"amount": True}) for number in range(MAX_EVENTS)]
    with nothing_counted(target):
        assert_events_refused(target.send_events(batch), *range(MAX_EVENTS))


def test_ten_thousand_events_are_a_batch_and_one_more_is_too_many(
    target: ExporterProcess,
) -> None:
    batch = [usage() for _ in range(MAX_EVENTS)]
    assert target.send_events(batch).json()["accepted"] == MAX_EVENTS
    lines = b"\n".join([b"{}"] * (MAX_EVENTS + 1))
    with nothing_counted(target):
        assert_problem(target.send_events([*batch, usage()]), 413, EVENTS)
        assert_problem(target.send_events(lines, "application/x-ndjson"), 413, EVENTS)


def test_an_event_may_be_as_old_as_its_id_is_kept_less_five_days(target: ExporterProcess) -> None:
    oldest_days = KEPT_DAYS - MARGIN_DAYS
    assert target.send_events(at(days=-oldest_days, seconds=30)).json()["accepted"] == 1
    with nothing_counted(target):
        (error,) = assert_events_refused(target.send_events(at(days=-oldest_days, seconds=-1)), 0)
        assert "85 days ago" in error["reason"]


def test_an_event_may_be_five_minutes_ahead(target: ExporterProcess) -> None:
    assert target.send_events(at(seconds=295)).json()["accepted"] == 1
    with nothing_counted(target):
        (error,) = assert_events_refused(target.send_events(at(seconds=330)), 0)
        assert "5 minutes ahead" in error["reason"]


def test_how_old_an_event_may_be_follows_the_retention(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "main"
    folder.mkdir()
    (folder / "billing.yml").write_text("id_retention_days: 35\n")
    with running_exporter(folder, database_url) as exporter:
        assert exporter.send_events(at(days=-29)).json()["accepted"] == 1
        assert_events_refused(exporter.send_events(at(days=-31)), 0)


def test_what_is_no_recent_time_with_its_zone_is_refused(target: ExporterProcess) -> None:
    day = now_text(timedelta(days=-1))[:10]
    times = [
        "yesterday",
        "",
        day,
        f"{day}T12:00:00",
        f"{day} 12:00",
        f"{day}T25:00:00Z",
        f"{day}T12:00:60Z",
        f"{day}T12:00:00+25:00",
        f"{day[:4]}-02-30T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "10000-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        1769860800,
        1769860800.5,
        True,
        None,
    ]
    with nothing_counted(target):
        batch = [payment(occurred_at=time) for time in times]
        assert_events_refused(target.send_events(batch), *range(len(times)))


def test_a_time_may_have_any_zone_and_any_fraction(target: ExporterProcess) -> None:
    day = now_text(timedelta(days=-1))[:10]
    ends = ("Z", "z", "+00:00", "-00:00", "+05:30", "-11:00", ".5Z", ".123456789+14:00")
    batch = [payment(occurred_at=f"{day}T12:00:00{end}") for end in ends]
    assert target.send_events(batch).json()["accepted"] == len(ends)


def test_money_in_an_unknown_currency_is_refused(target: ExporterProcess) -> None:
    unknown = ("xyz", "us", "usdd", "840", "$", "usd ", "btc", "ÜSD", "u\u017fd")
    batch = [payment(metadata={"currency": currency}) for currency in unknown]
    with nothing_counted(target):
        assert_events_refused(target.send_events(batch), *range(len(batch)))


def test_a_currency_counts_in_its_own_unit_whatever_its_case(target: ExporterProcess) -> None:
    for currency, amount in (("JPY", 4900), ("Kwd", 4.9), ("eur", 49)):
        metadata = {"currency": currency, "status": "success"}
        assert target.send_events(payment(metadata=metadata)).json()["accepted"] == 1
        counted = target.scrape().value(
            "billing_payment_amount_total",
            source="app",
            livemode="true",
            currency=currency.lower(),
        )
        assert counted == amount
    assert_takes_events(target)
