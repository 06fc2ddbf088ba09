"""The past that is written for Prometheus, against the simulation that it tells of, against a live
exporter, and as Prometheus reads it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from exporter.catalogue.book import METRICS
from exporter.catalogue.metrics import PAYMENT_PROCESSED
from exporter.catalogue.own_metrics import SUBSCRIPTIONS
from exporter.catalogue.usage_metrics import HEALTH_SCORE
from exporter.settings import Config, StripeConfig
from exporter.simulation.meanings import Sample
from exporter.simulation.rhythm import activity
from exporter.simulation.tally import Tally
from history.past import Past
from history.prometheus import serving
from history.scrapes import BackfillError, write_scrapes
from history.traffic import Traffic, count_traffic, steady
from history.writing import SCRAPE_SECONDS, History, Order, scrape_times, write_history
from rules.build import rule_groups, terms_of
from tests.support.exporter import ExporterProcess
from tests.support.scrape import parse
from tests.support.tree import PROJECT

CONFIG = Config(stripe=StripeConfig(mode="live"))
LIVE = (True,)
TRAFFIC_SECONDS = 120
# A Thursday at midnight.
DAY_SECONDS = 1_767_225_600
HOUR = 3600
_BOUNDS = {metric.name: len(metric.bounds) for metric in METRICS}


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return count_traffic(CONFIG, LIVE, TRAFFIC_SECONDS)


def past_of(traffic: Traffic) -> Past:
    return Past(
        CONFIG,
        LIVE,
        traffic,
        payments_per_hour=10_000,
        start_seconds=DAY_SECONDS,
        folder=PROJECT,
    )


def paid(past: Past) -> int:
    """The attempts that Stripe told of."""
    counts = past.totals.counts(PAYMENT_PROCESSED)
    return sum(number for labels, (number,) in counts.items() if labels[0] == "stripe")


def test_the_traffic_adds_what_the_simulation_says_that_it_means(traffic: Traffic) -> None:
    tally = Tally()
    for request in steady(CONFIG, LIVE).requests(TRAFFIC_SECONDS):
        tally.settle(request)
    counted: Counter[Sample] = Counter()
    for second in traffic.seconds:
        for (name, labels, part), amount in second.ledger:
            bounds = _BOUNDS[name]
            suffix = "" if not bounds else "_sum" if part == bounds + 1 else "_count"
            counted[name + suffix, labels] += amount
        for (name, labels, _), amount in second.process:
            if name == "billing_events_repeated_total":
                counted[name, labels] += amount
    assert {sample: n for sample, n in counted.items() if n} == {
        sample: n for sample, n in tally.increments.items() if n
    }
    assert len(traffic.seconds) == TRAFFIC_SECONDS
    assert traffic.payments > 100


def test_payments_come_at_the_ordered_rate_and_at_the_rhythm_of_the_day(traffic: Traffic) -> None:
    past = past_of(traffic)
    by_hour = []
    for hour in range(24):
        before = paid(past)
        for minute in range(60):
            past.advance(DAY_SECONDS + hour * HOUR + (minute + 1) * 60)
        by_hour.append(paid(past) - before)
    wanted = [10_000 * activity(DAY_SECONDS + (hour + 0.5) * HOUR) for hour in range(24)]
    assert by_hour == pytest.approx(wanted, rel=0.05)


def test_no_counter_ever_falls(traffic: Traffic) -> None:
    past = past_of(traffic)
    before: dict[str, float] = {}
    for at in range(DAY_SECONDS + 60, DAY_SECONDS + HOUR, 60):
        past.advance(at)
        text = past.expose().decode().removesuffix("# EOF\n")
        samples = {
            key: float(value)
            for key, _, value in (line.rpartition(" ") for line in text.splitlines())
            if not key.startswith("#")
            and key.partition("{")[0].endswith(("_total", "_bucket", "_sum", "_count"))
        }
        assert [key for key, value in before.items() if samples[key] < value] == []
        before = samples
    assert len(before) > 1000


def test_it_shows_every_series_that_an_exporter_shows(
    traffic: Traffic, tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "billing.yml").write_text("stripe: {mode: live}\n")
    settings = {"BILLING_CONFIG": str(tmp_path / "billing.yml")}
    past = past_of(traffic)
    past.advance(DAY_SECONDS + 2 * HOUR)
    lines = past.expose().decode().splitlines()
    shown = {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}
    with ExporterProcess(tmp_path / "main", database_url, settings) as exporter:
        exporter.wait_ready()
        # Monitors write theirs with their first pass.
        text = exporter.session.get(f"{exporter.url}/metrics", timeout=10).text
    assert len(parse(text).samples) > 1500
    live = {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert live - shown == set()


def test_what_is_older_than_a_day_may_be_scraped_less_often() -> None:
    end = DAY_SECONDS + 2 * HOUR
    times = scrape_times(end - 26 * HOUR, end, 60)
    assert times == [
        *range(end - 26 * HOUR + 60, end - 24 * HOUR + 1, 60),
        *range(end - 24 * HOUR + 15, end + 1, 15),
    ]
    assert scrape_times(end - 45, end, 60) == [end - 30, end - 15, end]


def test_the_same_time_a_week_ago_may_be_scraped_as_often_as_panels_compare_with_it() -> None:
    end = DAY_SECONDS + 2 * HOUR
    week = 168 * HOUR
    assert scrape_times(end - 2 * week, end, HOUR, 60, 2 * HOUR) == [
        *range(end - 2 * week + HOUR, end - week - 2 * HOUR + 1, HOUR),
        *range(end - week - 2 * HOUR + 60, end - week + 1, 60),
        *range(end - week + HOUR, end - 2 * HOUR + 1, HOUR),
        *range(end - 2 * HOUR + 15, end + 1, 15),
    ]


def test_gauges_that_are_given_have_grown_to_what_they_are_at_the_end(traffic: Traffic) -> None:
    week, held = 168 * HOUR, ("true", "pro", "active")
    past = Past(
        CONFIG,
        LIVE,
        traffic,
        payments_per_hour=None,
        start_seconds=DAY_SECONDS,
        folder=PROJECT,
        gauges={SUBSCRIPTIONS: {held: 1000}, HEALTH_SCORE: {(): 90}},
        end_seconds=DAY_SECONDS + week + HOUR,
    )

    def shown() -> tuple[list[float], float]:
        found = parse(past.expose().decode().removesuffix("# EOF\n")).samples
        held = [value for (name, _), value in found.items() if name == SUBSCRIPTIONS.name]
        return held, found[HEALTH_SCORE.name, frozenset()]

    past.advance(DAY_SECONDS + HOUR)
    assert shown() == ([980], 90)
    past.advance(DAY_SECONDS + week + HOUR)
    assert shown() == ([1000], 90)


@dataclass(frozen=True)
class Written:
    """A past of some hours, and the Prometheus that has it."""

    history: History
    url: str

    def value(self, expression: str, at_seconds: float) -> dict[str, float]:
        """What an expression is then, by the source."""
        answer = requests.get(
            f"{self.url}/api/v1/query",
            params={"query": expression, "time": str(at_seconds)},
            timeout=30,
        ).json()
        assert answer["status"] == "success", answer
        return {
            one["metric"].get("source", ""): float(one["value"][1])
            for one in answer["data"]["result"]
        }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    scratch = tmp_path_factory.mktemp("history")
    data = scratch / "data"
    data.mkdir()
    order = Order(
        config=CONFIG,
        livemodes=LIVE,
        span_seconds=3 * HOUR,
        payments_per_hour=10_000,
        traffic_seconds=TRAFFIC_SECONDS,
    )
    history = write_history(order, scratch, data)
    with serving(scratch, data, {}) as url:
        yield Written(history, url)


def test_prometheus_has_every_scrape_with_the_labels_of_the_target(written: Written) -> None:
    history = written.history
    span = history.end_seconds - history.start_seconds
    found = written.value(
        f'count_over_time(up{{job="billing-exporter",instance="main"}}[{span}s])',
        history.end_seconds,
    )
    assert found == {"": span / SCRAPE_SECONDS}


def test_the_last_scrape_has_the_totals_of_the_end(written: Written) -> None:
    counts = written.history.totals.counts(PAYMENT_PROCESSED)
    sums: Counter[str] = Counter()
    for labels, (number,) in counts.items():
        sums[labels[0]] += number
    found = written.value(
        "sum by (source) (billing_payment_processed_total)", written.history.end_seconds
    )
    assert found == dict(sums)
    assert sums["stripe"] > 1000


def test_every_recording_rule_has_its_past(written: Written) -> None:
    at = written.history.end_seconds - 60
    terms = terms_of(CONFIG)
    compared = 0
    for group in rule_groups(CONFIG, terms):
        for rule in group["rules"]:
            if "record" in rule and rule["record"].endswith(("increase5m", "increase1h")):
                minute = at // 60 * 60
                recorded = written.value(f"{rule['record']}", minute + 59)
                moment = written.value(f"timestamp({rule['record']})", minute + 59)
                assert recorded.keys() == moment.keys()
                if recorded:
                    (evaluated,) = set(moment.values())
                    assert written.value(rule["expr"], evaluated) == pytest.approx(recorded)
                    compared += 1
    assert compared > 5


def test_blocks_that_promtool_refuses_are_told(traffic: Traffic, tmp_path: Path) -> None:
    past = past_of(traffic)
    with pytest.raises(BackfillError, match="promtool failed"):
        write_scrapes(
            past, {"job": "\n"}, [DAY_SECONDS + 15, DAY_SECONDS + 30], tmp_path, tmp_path / "data"
        )
    assert list(tmp_path.glob("*.om")) == []
