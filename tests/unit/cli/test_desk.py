"""How figures look in the tables of commands."""

from datetime import UTC, datetime, timedelta

import pytest

from exporter.cli.desk import age, money, short_time


@pytest.mark.parametrize(
    ("amount_minor", "currency", "decimals", "text"),
    [
        (0, "usd", 2, "0.00 USD"),
        (4905, "usd", 2, "49.05 USD"),
        (4900, "jpy", 0, "4900 JPY"),
        (12345, "kwd", 3, "12.345 KWD"),
        (9_007_199_254_740_993, "eur", 2, "90071992547409.93 EUR"),
    ],
)
def test_money_has_its_decimals(amount_minor: int, currency: str, decimals: int, text: str) -> None:
    assert money(amount_minor, currency, decimals) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=-5), "0s"),
        (timedelta(seconds=30.5), "30s"),
        (timedelta(minutes=59.5), "59m"),
        (timedelta(hours=23.5), "23h"),
        (timedelta(days=400.5), "400d"),
    ],
)
def test_an_age_is_in_the_largest_unit_that_fits(ago: timedelta, text: str) -> None:
    assert age((datetime.now(UTC) - ago).isoformat()) == text


def test_a_short_time_goes_to_the_minute() -> None:
    assert short_time("2026-01-31T12:34:56.789Z") == "2026-01-31 12:34Z"
    assert short_time(None) == ""
