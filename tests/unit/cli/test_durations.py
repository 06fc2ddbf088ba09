"""Times and durations as people write them."""

import math
from datetime import UTC, datetime, timedelta

import click
import pytest

from exporter.cli.durations import Duration, Moment, Speed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("14d", 1_209_600), ("1w", 604_800)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5 m", "5y", "1e3", "nan", "m"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="as in 90s"):
        Duration().convert(text, None, None)


def test_a_moment_is_a_time_or_so_long_ago() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for text in ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "2026-01-31T13:00:00+01:00"):
        assert Moment().convert(text, None, None) == noon
    ago = datetime.now(UTC) - Moment().convert("-2h", None, None)
    assert abs(ago - timedelta(hours=2)) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "yesterday", "-", "-2y", "2h", "2026-13-01"])
def test_anything_else_is_no_moment(text: str) -> None:
    with pytest.raises(click.BadParameter, match="isn't a time"):
        Moment().convert(text, None, None)


def test_a_speed_is_positive_or_max() -> None:
    assert Speed().convert("0.5", None, None) == 0.5
    assert math.isinf(Speed().convert("max", None, None))
    for text in ("0", "-1", "nan", "fast"):
        with pytest.raises(click.BadParameter, match="positive"):
            Speed().convert(text, None, None)
