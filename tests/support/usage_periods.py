"""Billing periods, one after the other from the anchor on."""

import calendar
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple


class Period(NamedTuple):
    """Half open, in UTC, from full hour to full hour."""

    start: datetime
    end: datetime


@lru_cache(maxsize=4096)
def _calendar_month(year: int, month: int) -> Period:
    follows = (year + 1, 1) if month == 12 else (year, month + 1)
    return Period(datetime(year, month, 1, tzinfo=UTC), datetime(*follows, 1, tzinfo=UTC))


def find_period(start: datetime | None, end: datetime | None, at: datetime) -> Period:
    """The period that holds `at`: of those that follow the anchor (its own if `at` is before it),
    or the calendar month if there is no anchor.
    """
    if start is None or end is None or _hour(end) <= _hour(start):
        return _calendar_month(at.year, at.month)
    for period in _following(_hour(start), _hour(end)):
        if at < period.end:
            return period
    raise AssertionError


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _following(start: datetime, end: datetime) -> Iterator[Period]:
    """Without end: of whole months, each on the day of the anchor or on the last of its month, or
    else of equal length.
    """
    day = max(start.day, end.day)
    months = 12 * (end.year - start.year) + end.month - start.month
    if months and _moved(start, 0, day) == start and _moved(start, months, day) == end:
        number = 0
        while True:
            yield Period(_moved(start, number, day), _moved(start, number + months, day))
            number += months
    length: timedelta = end - start
    while True:
        yield Period(start, start + length)
        start += length


def _moved(moment: datetime, months: int, day: int) -> datetime:
    year, month = divmod(12 * moment.year + moment.month - 1 + months, 12)
    return moment.replace(
        year=year, month=month + 1, day=min(day, calendar.monthrange(year, month + 1)[1])
    )
