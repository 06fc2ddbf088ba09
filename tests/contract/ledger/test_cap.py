"""A metric at its cap of series: one too many counts as other, in memory and in the ledger."""

from dataclasses import replace
from pathlib import Path

from exporter.catalogue import metrics as m
from exporter.catalogue import own_metrics as own
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Increment, Series
from tests.support.writing import entry, ledger, running

CODES = ("card_declined", "expired_card", "fraudulent", "generic_decline", "incorrect_cvc")
CAPPED = tuple(
    replace(metric, cap=3) if metric in (m.PAYMENT_FAILURES, m.PAYMENT_DURATION) else metric
    for metric in EVENT_METRICS
)


def failure(code: str, source: str = "app") -> Increment:
    """A failed payment."""
    return Increment(Series(m.PAYMENT_FAILURES.name, (source, "true", code), 0), 1)


async def test_beyond_the_cap_the_ledger_has_what_memory_has(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path, metrics=CAPPED) as main:
        first, *rest = (entry(code, failure(code), failure(code, "stripe")) for code in CODES)
        await main.submit(first)
        await main.submit(*rest)
        counts = main.totals.counts(m.PAYMENT_FAILURES)
        assert {labels: numbers[0] for labels, numbers in counts.items()} == {
            ("app", "true", "card_declined"): 1,
            ("stripe", "true", "card_declined"): 1,
            ("app", "true", "expired_card"): 1,
            ("app", "true", "other"): 3,
            ("stripe", "true", "other"): 4,
        }
        assert main.health.counts(own.SERIES_OVERFLOW)[()] == [7]
        before = main.memory()
        assert before == ledger(any_database_url)
    async with running(any_database_url, tmp_path, metrics=CAPPED) as main:
        assert main.memory() == before
        # What is known goes on counting under its own name.
        await main.submit(entry("again", failure("expired_card"), failure("lost_card")))
        assert main.totals.counts(m.PAYMENT_FAILURES)["app", "true", "expired_card"] == [2]
        assert main.totals.counts(m.PAYMENT_FAILURES)["app", "true", "other"] == [4]
        assert main.memory() == ledger(any_database_url)


async def test_a_histogram_beyond_the_cap_stays_whole(database_url: str, tmp_path: Path) -> None:
    methods = ("card", "link", "paypal", "ideal", "blik")
    width = len(m.PAYMENT_DURATION.bounds) + 2
    async with running(database_url, tmp_path, metrics=CAPPED) as main:
        for method in methods:
            series = Series(m.PAYMENT_DURATION.name, ("app", method), 2)
            taken = series._replace(part=width - 1)
            await main.submit(entry(method, Increment(series, 1), Increment(taken, 20_000)))
        counts = main.totals.counts(m.PAYMENT_DURATION)
        assert list(counts) == [("app", name) for name in (*methods[:3], "other")]
        assert counts["app", "other"][2] == 2
        assert counts["app", "other"][-1] == 40_000
        assert main.memory() == ledger(database_url)
