"""Times and durations as options."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)")


class Duration(click.ParamType[float]):
    """Seconds, from text like 90, 90s, 10m, 2h or 14d."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value  # a default
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            self.fail(f"{value!r} isn't a duration, as in 90s, 10m, 2h or 14d.", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


class Moment(click.ParamType[datetime]):
    """A time with its zone, from RFC 3339 (UTC without a zone), or a duration ago as in -14d."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        text = value.strip()
        if ago := _DURATION.fullmatch(text.removeprefix("-")) if text[:1] == "-" else None:
            return datetime.now(UTC) - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} isn't a time, as in 2026-01-31T12:00:00Z or -14d.", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Speed(click.ParamType[float]):
    """A positive factor; infinite for `max`."""

    name = "factor|max"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            speed = math.inf if value == "max" else float(value)
        except ValueError:
            speed = 0.0
        if not speed > 0:
            self.fail(f"{value!r} isn't a positive number, or max.", param, ctx)
        return speed
