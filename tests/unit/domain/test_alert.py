"""Which of two messages about the same alert holds."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from exporter.domain.alert import ToldAlert, settle

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def told(fingerprint: str = "a", ended_after: int | None = None, **texts: str) -> ToldAlert:
    ends_at = None if ended_after is None else START + timedelta(seconds=ended_after)
    return ToldAlert(fingerprint, START, ends_at, {"alertname": "A"}, texts)


def test_an_end_holds_against_a_firing_and_the_latest_end_against_others() -> None:
    last = told(ended_after=9, summary="last")
    alerts = (told(), told(ended_after=5, summary="early"), last, told("b"))
    for order in itertools.permutations(alerts):
        assert {one.fingerprint: one for one in settle(order)} == {"a": last, "b": told("b")}


def test_what_was_sent_later_holds_where_that_is_known() -> None:
    firing, lost, again, over = (
        replace(told(ended_after=ended), sent_at=START + timedelta(seconds=sent))
        for sent, ended in ((0, None), (0, 4), (5, None), (9, 8))
    )
    for order in itertools.permutations((firing, lost, again)):
        assert settle(order) == [again]
    for order in itertools.permutations((firing, lost, again, over)):
        assert settle(order) == [over]
    assert settle([again, told(ended_after=1)]) == [told(ended_after=1)]


def test_of_what_is_equal_the_first_holds() -> None:
    assert settle([told(summary="1"), told(summary="2")]) == [told(summary="1")]
    assert settle([]) == []


def test_an_alert_fires_until_it_has_an_end() -> None:
    assert told().state == "firing"
    assert told(ended_after=0).state == "resolved"


@pytest.mark.parametrize(
    ("annotations", "summary"),
    [
        ({"summary": "S", "description": "D", "message": "M"}, "S"),
        ({"summary": "", "description": "D"}, "D"),
        ({"message": "M", "other": "O"}, "M"),
        ({"other": "O"}, ""),
    ],
)
def test_the_summary_is_the_first_text_that_says_something(
    annotations: dict[str, str], summary: str
) -> None:
    assert told(**annotations).summary == summary
