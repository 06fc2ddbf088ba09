"""A whole past, from traffic to blocks: `write_history`."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.settings import Config
from exporter.totals import Totals
from history.past import Gauges, Past
from history.recordings import write_recordings
from history.scrapes import write_scrapes
from history.traffic import Business, count_traffic

# As in the prometheus.yml that Prometheus comes with.
SCRAPE_SECONDS = 15
TRAFFIC_SECONDS = 3600
_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What past to write: `span_seconds` up to now, at `payments_per_hour` in the mean of a week,
    counted twice each, by Stripe and by the app, or as many as the business has. Each
    `traffic_seconds` the same events come again. What is older than a day is scraped each
    `older_scrape_seconds` only, `week_ago_scrape_seconds` if that is the day a week ago, with which
    panels compare; `recent_seconds` stands for that day. Rules record for the last
    `recorded_seconds`, or all the time. `gauges` are values of now that no traffic decides.
    """

    config: Config
    livemodes: tuple[bool, ...]
    span_seconds: int
    payments_per_hour: float | None = None
    business: Business = field(default_factory=Business)
    gauges: Gauges = field(default_factory=dict)
    instance: str = "main"
    traffic_seconds: int = TRAFFIC_SECONDS
    older_scrape_seconds: int = SCRAPE_SECONDS
    week_ago_scrape_seconds: int | None = None
    recent_seconds: int = _DAY_SECONDS
    recorded_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What was written, in Unix seconds; `totals` are those at the end, `revenue` what each hour
    brought, the last one as far as it goes, in minor units by source, mode and currency.
    """

    start_seconds: int
    end_seconds: int
    samples: int
    totals: Totals
    revenue: Mapping[int, Mapping[tuple[str, ...], int]]


def write_history(
    order: Order,
    scratch: Path,
    data: Path,
    step: Callable[[str], None] = lambda _: None,
    reached: Callable[[int], None] = lambda _: None,
) -> History:
    """Blocks in `data`, on which no Prometheus may run meanwhile. It ends when they are written,
    but for the last moments, which rules need for being evaluated. `step` is told what it does,
    `reached` for how many seconds of the span scrapes are written.
    """
    step("traffic")
    traffic = count_traffic(order.config, order.livemodes, order.traffic_seconds, order.business)
    start = _now() - order.span_seconds
    past = Past(
        order.config,
        order.livemodes,
        traffic,
        payments_per_hour=order.payments_per_hour,
        start_seconds=start,
        folder=data,
        gauges=order.gauges,
        end_seconds=start + order.span_seconds,
    )
    target = {"job": order.config.alerts.job, "instance": order.instance}
    samples, written = 0, start
    step("scrapes")
    # What takes minutes to write leaves minutes to be written.
    while (end := _now()) > written:
        times = scrape_times(
            written,
            end,
            order.older_scrape_seconds,
            order.week_ago_scrape_seconds,
            order.recent_seconds,
        )
        samples += write_scrapes(
            past, target, times, scratch, data, reached=lambda at: reached(at - start)
        )
        written = end
    step("recordings")
    recorded = start if order.recorded_seconds is None else written - order.recorded_seconds
    write_recordings(order.config, max(start, recorded), written, scratch, data)
    revenue = {**past.revenue, written // 3600 * 3600: past.revenue_of_hour()}
    return History(start, written, samples, past.totals, revenue)


def scrape_times(
    after_seconds: int,
    end_seconds: int,
    older_scrape_seconds: int,
    week_ago_scrape_seconds: int | None = None,
    recent_seconds: int = _DAY_SECONDS,
) -> list[int]:
    """When the target is scraped after a scrape at a time, up to the end: Unix seconds, rising."""
    week_ago = end_seconds - _WEEK_SECONDS
    stretches = (
        (week_ago - recent_seconds, older_scrape_seconds),
        (week_ago, week_ago_scrape_seconds or older_scrape_seconds),
        (end_seconds - recent_seconds, older_scrape_seconds),
        (end_seconds, SCRAPE_SECONDS),
    )
    times: list[int] = []
    at = after_seconds
    for end_of_stretch, rest_seconds in stretches:
        until = max(at, end_of_stretch)
        times += range(at + rest_seconds, until + 1, rest_seconds)
        at = until
    return times


def _now() -> int:
    """The last moment at which a scrape was due."""
    return int(time.time()) // SCRAPE_SECONDS * SCRAPE_SECONDS
