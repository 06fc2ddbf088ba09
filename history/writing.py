"""A whole past, from traffic to blocks: `write_history`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exporter.settings import Config
from exporter.totals import Totals
from history.past import Past
from history.recordings import write_recordings
from history.scrapes import write_scrapes
from history.traffic import count_traffic

# As in the prometheus.yml that Prometheus comes with.
SCRAPE_SECONDS = 15
TRAFFIC_SECONDS = 3600
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What past to write: `span_seconds` up to now, at `payments_per_hour` in the mean of a week,
    counted twice each, by Stripe and by the app. Each `traffic_seconds` the same events come again.
    What is older than a day is scraped each `older_scrape_seconds` only.
    """

    config: Config
    livemodes: tuple[bool, ...]
    span_seconds: int
    payments_per_hour: float
    instance: str = "main"
    traffic_seconds: int = TRAFFIC_SECONDS
    older_scrape_seconds: int = SCRAPE_SECONDS


@dataclass(frozen=True, slots=True)
class History:
    """What was written, in Unix seconds; `totals` are those at the end."""

    start_seconds: int
    end_seconds: int
    samples: int
    totals: Totals


def write_history(
    order: Order, scratch: Path, data: Path, step: Callable[[str], None] = lambda _: None
) -> History:
    """Blocks in `data`, on which no Prometheus may run meanwhile. It ends when they are written,
    but for the last moments, which rules need for being evaluated.
    """
    step("traffic")
    traffic = count_traffic(order.config, order.livemodes, order.traffic_seconds)
    start = _now() - order.span_seconds
    past = Past(
        order.config,
        order.livemodes,
        traffic,
        payments_per_hour=order.payments_per_hour,
        start_seconds=start,
        folder=data,
    )
    target = {"job": order.config.alerts.job, "instance": order.instance}
    samples, written = 0, start
    step("scrapes")
    # What takes minutes to write leaves minutes to be written.
    while (end := _now()) > written:
        times = scrape_times(written, end, order.older_scrape_seconds)
        samples += write_scrapes(past, target, times, scratch, data)
        written = end
    step("recordings")
    write_recordings(order.config, start, written, scratch, data)
    return History(start, written, samples, past.totals)


def scrape_times(after_seconds: int, end_seconds: int, older_scrape_seconds: int) -> list[int]:
    """When the target is scraped after a scrape at a time, up to the end: Unix seconds, rising."""
    day_ago = max(after_seconds, end_seconds - _DAY_SECONDS)
    older = range(after_seconds + older_scrape_seconds, day_ago + 1, older_scrape_seconds)
    return [*older, *range(day_ago + SCRAPE_SECONDS, end_seconds + 1, SCRAPE_SECONDS)]


def _now() -> int:
    """The last moment at which a scrape was due."""
    return int(time.time()) // SCRAPE_SECONDS * SCRAPE_SECONDS
