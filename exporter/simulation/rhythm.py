"""How traffic rises and falls: by the hour of the day, the day of the week, and with growth."""

import math

_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS
_BUSIEST_HOUR = 15.0  # UTC: the afternoon in Europe, the morning in America
_SWING = 0.65
_WEEKEND = 0.45
# 1 January 1970 was a Thursday.
_DAYS_TO_MONDAY = 3
# So that a whole week has a mean of 1.
_NORMAL = 7 / (5 + 2 * _WEEKEND)


def activity(unix_seconds: float) -> float:
    """The factor on the mean rate at that time; over a week its mean is 1."""
    hour = unix_seconds % _DAY_SECONDS / 3600
    day = 1 + _SWING * math.cos((hour - _BUSIEST_HOUR) / 24 * 2 * math.pi)
    weekday = (int(unix_seconds // _DAY_SECONDS) + _DAYS_TO_MONDAY) % 7
    return day * (_WEEKEND if weekday >= 5 else 1.0) * _NORMAL


def growth(offset_seconds: float, a_week: float) -> float:
    """The factor on the mean rate after so long, when it grows by `a_week` every week."""
    return float((1 + a_week) ** (offset_seconds / _WEEK_SECONDS))
