"""Looks at all that billing rests on, and keeps in the ledger what it finds."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import stripe
from psycopg.rows import dict_row

from exporter.alertmanager import Alertmanager, AlertmanagerFault
from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import MICRO
from exporter.catalogue.model import Metric
from exporter.catalogue.usage_metrics import HEALTH_LOST_POINTS, HEALTH_SCORE
from exporter.domain import health_checks as judge
from exporter.domain.health import Check, outage_report
from exporter.domain.health_checks import StripeOutcome
from exporter.ledger.connection import Connection
from exporter.ledger.queries import HEALTH
from exporter.ledger.queue import MAX_QUEUED_BYTES, MAX_QUEUED_EVENTS
from exporter.ledger.system_health import read_health, write_checks
from exporter.monitors.supervisor import Monitor
from exporter.monitors.ties import make_client
from exporter.settings import Settings
from exporter.totals import Totals

WEEKS = 4
_ALERTMANAGER_TIMEOUT_SECONDS = 5.0
# A job may miss three passes, and has a minute to come back after an outage of everything.
_MISSED_PASSES = 3
_GRACE_SECONDS = 60.0

# Asks Stripe something cheap; blocks, raises stripe.StripeError.
Probe = Callable[[], None]


@dataclass
class CheckHealth:
    """Makes the checks that are about the whole, whoever makes them. `intervals` are those of the
    periodic jobs, by name, which may be missed for `grace_seconds` more; `webhooks` says that
    Stripe sends some.
    """

    interval_seconds: float
    intervals: Mapping[str, float]
    webhooks: bool
    alertmanagers: Sequence[Alertmanager] = ()
    stripe: Probe | None = None
    grace_seconds: float = _GRACE_SECONDS
    _begun_seconds: float = field(default_factory=time.monotonic, init=False)

    async def __call__(self, connection: Connection) -> None:
        """One pass. Stripe is asked once, and each Alertmanager."""
        far = await asyncio.gather(self._ask_stripe(), self._ask_alertmanagers())
        checks = [check for check in far if check]
        checks += await self._look(connection)
        await write_checks(connection, checks, _valid_seconds(self.interval_seconds))
        await self._write_gauges(connection)

    async def _look(self, connection: Connection) -> list[Check]:
        """At the ledger."""
        begun = time.perf_counter()
        (now,) = await _one(connection, "read_time")
        database = judge.judge_database(time.perf_counter() - begun)
        standbys, lag_seconds = await _one(connection, "measure_replication")
        replication = judge.judge_replication(standbys, lag_seconds)
        letters = judge.judge_dead_letters(*await _one(connection, "measure_dead_letters", now))
        monitors = await self._look_at_monitors(connection, now)
        checks = [database, *([replication] if replication else []), letters, monitors]
        if self.webhooks:
            silence_seconds, past = await _one(connection, "measure_webhooks", now)
            checks.append(judge.judge_webhooks(silence_seconds, past))
        return checks

    async def _look_at_monitors(self, connection: Connection, now: datetime) -> Check:
        """At what the periodic jobs tell. Of one that never succeeded it counts how long we have
        been here.
        """
        cursor = await connection.execute(HEALTH["measure_monitors"], {"now": now})
        known = {name: age for name, age in await cursor.fetchall() if age is not None}
        here_seconds = time.monotonic() - self._begun_seconds
        ages = {}
        for name, interval_seconds in self.intervals.items():
            limit = _MISSED_PASSES * interval_seconds + self.grace_seconds
            age_seconds = known.get(name, here_seconds)
            # Until we have been here for as long, perhaps nobody was.
            if here_seconds < limit:
                age_seconds = min(age_seconds, limit)
            ages[name] = (age_seconds, limit)
        return judge.judge_monitors(ages)

    async def _ask_stripe(self) -> Check | None:
        if self.stripe is None:
            return None
        begun = time.perf_counter()
        outcome = await asyncio.to_thread(_outcome_of, self.stripe)
        return judge.judge_stripe(outcome, time.perf_counter() - begun)

    async def _ask_alertmanagers(self) -> Check | None:
        if not self.alertmanagers:
            return None
        answers = await asyncio.gather(
            *(asyncio.to_thread(_answers, one) for one in self.alertmanagers)
        )
        return judge.judge_alertmanager(answers)

    async def _write_gauges(self, connection: Connection) -> None:
        question = read_health()
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(question.queries[0])
            report = question.shape([await cursor.fetchall()])
        await connection.execute(
            HEALTH["write_health_gauges"],
            {
                "score_metric": HEALTH_SCORE.name,
                "score": report.score,
                "points_metric": HEALTH_LOST_POINTS.name,
                "names": [check.name for check in report.checks],
                "points": [check.points for check in report.checks],
            },
        )


@dataclass
class CheckReplica:
    """Makes the checks that are about this process, from its own metrics `health`, which `observe`
    brings up to date.
    """

    replica: str
    interval_seconds: float
    health: Totals
    observe: Callable[[], None]
    _last: tuple[float, int, int, int] | None = field(default=None, init=False)

    async def __call__(self, connection: Connection) -> None:
        """One pass. The first has nothing to compare with."""
        self.observe()
        now = (
            time.monotonic(),
            self._sum(own.POOL_WAIT),
            self._sum(own.POOL_ERRORS),
            self._sum(own.QUEUE_REFUSED),
        )
        last = self._last or now
        self._last = now
        passed_seconds, waited_micros, errors, refused = (
            new - old for new, old in zip(now, last, strict=True)
        )
        filled = max(
            self._sum(own.QUEUE_EVENTS) / MAX_QUEUED_EVENTS,
            self._sum(own.QUEUE_BYTES) / MAX_QUEUED_BYTES,
        )
        checks = (
            judge.judge_pool(waited_micros / MICRO, passed_seconds, round(errors)),
            judge.judge_queue(filled, passed_seconds, round(refused)),
        )
        await write_checks(connection, checks, _valid_seconds(self.interval_seconds), self.replica)

    def _sum(self, metric: Metric) -> int:
        return sum(numbers[0] for numbers in self.health.counts(metric).values())


def make_health_monitors(
    settings: Settings,
    monitors: Sequence[Monitor],
    health: Totals,
    observe: Callable[[], None],
) -> tuple[Monitor, ...]:
    """The two of them, which also look at `monitors`."""
    seconds = settings.health_check_seconds
    key = settings.stripe_secret_key
    check = CheckHealth(
        seconds,
        {one.name: one.interval_seconds for one in monitors if not one.everywhere},
        settings.config.stripe.webhooks,
        [Alertmanager(url, _ALERTMANAGER_TIMEOUT_SECONDS) for url in settings.alertmanager_urls],
        make_probe(key.reveal, settings.stripe_api_base) if key else None,
    )
    replica = CheckReplica(settings.replica, seconds, health, observe)
    return Monitor("health", seconds, check), Monitor("replica", seconds, replica, everywhere=True)


def make_probe(secret_key: Callable[[], str], api_base: str) -> Probe:
    """Reads the balance with the key, which is asked for each time."""
    client = make_client(secret_key, api_base)

    def probe() -> None:
        client.raw_request("get", "/v1/balance", api_key=secret_key())

    return probe


def note_outage(health: Totals) -> None:
    """Tell as gauges what holds while the database, which has them, is away."""
    report = outage_report(datetime.now(UTC))
    health.set(HEALTH_SCORE, (), report.score or 0)
    health.replace(HEALTH_LOST_POINTS, {(check.name,): check.points for check in report.checks})


def _outcome_of(probe: Probe) -> StripeOutcome:
    try:
        probe()
    except stripe.PermissionError:
        # A restricted key that may not read the balance is a good key.
        return "ok"
    except stripe.AuthenticationError:
        return "refused"
    except stripe.RateLimitError:
        return "limited"
    except stripe.StripeError:
        return "away"
    return "ok"


def _answers(target: Alertmanager) -> bool:
    try:
        target.read_status()
    except AlertmanagerFault:
        return False
    return True


async def _one(connection: Connection, query: str, now: datetime | None = None) -> tuple[Any, ...]:
    cursor = await connection.execute(HEALTH[query], {"now": now, "weeks": WEEKS})
    row = await cursor.fetchone()
    assert row is not None
    return row


def _valid_seconds(interval_seconds: float) -> float:
    """As long as a lease: three passes may be missed."""
    return 3 * interval_seconds + 10
