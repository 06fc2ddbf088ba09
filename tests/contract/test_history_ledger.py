"""A ledger that is given a past: its customers, and totals from which its exporter goes on."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporter.catalogue.metrics import EVENT_METRICS, PAYMENT_AMOUNT
from exporter.catalogue.own_metrics import SUBSCRIPTIONS
from exporter.ledger.embedded import EmbeddedServer
from exporter.settings import Config, StripeConfig
from exporter.simulation.model import Simulation
from exporter.simulation.sender import Sender
from history.customers import tell_customers
from history.ledger import hand_over, read_gauges
from history.past import Past
from history.traffic import Business, count_traffic
from history.writing import History
from tests.support.database import new_database
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.scrape import parse
from tests.support.simulation import make_simulation
from tests.support.stripe import WEBHOOK_SECRET
from tests.support.waiting import wait_until

CONFIG = Config(stripe=StripeConfig(mode="live"))
LIVE = (True,)
HOUR, DAY = 3600, 86_400
CUSTOMERS = 30
USED = """
SELECT meter, sum(quantity), min(extract(epoch FROM hour))::bigint,
    max(extract(epoch FROM hour))::bigint
FROM shared.api_usage_logs GROUP BY 1
"""


@dataclass(frozen=True)
class Given:
    """A ledger that was told of the simulation's customers, and then given the past."""

    database: str
    folder: Path
    simulation: Simulation
    past: Past
    history: History

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query.encode()).fetchall()

    def exporter(self) -> ExporterProcess:
        settings = {"BILLING_CONFIG": str(self.folder / "billing.yml")}
        return ExporterProcess(self.folder / "main", self.database, settings)


def send_customers(exporter: ExporterProcess, simulation: Simulation) -> None:
    sender = Sender(
        url=exporter.url,
        key=ADMIN_KEY,
        secret=WEBHOOK_SECRET,
        start_seconds=simulation.start_seconds,
    )
    asyncio.run(sender.run(tell_customers(simulation, 2 * DAY)))


@pytest.fixture(scope="module")
def given(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    folder = tmp_path_factory.mktemp("past")
    (folder / "billing.yml").write_text("stripe: {mode: live}\n")
    now = time.time()
    simulation = make_simulation(
        config=CONFIG,
        livemodes=LIVE,
        livemode=True,
        start_seconds=now,
        organizations=CUSTOMERS,
        customers="known",
        events_per_second=1.0,
    )
    start = now // HOUR * HOUR - 3 * HOUR
    traffic = count_traffic(CONFIG, LIVE, 300, Business(20.0, CUSTOMERS))
    past = Past(CONFIG, LIVE, traffic, payments_per_hour=None, start_seconds=start, folder=folder)
    for minute in range(1, 3 * 60 + 1):
        past.advance(start + minute * 60)
    past.advance(now + 1)
    revenue = {**past.revenue, int(now) // HOUR * HOUR: past.revenue_of_hour()}
    history = History(int(start), int(now), 0, past.totals, revenue)
    with new_database(postgres) as database:
        settings = {"BILLING_CONFIG": str(folder / "billing.yml")}
        with running_exporter(folder / "main", database, settings) as exporter:
            send_customers(exporter, simulation)
            assert exporter.scrape().total("billing_usage_tracked_total") > 0
            exporter.stop()
        with psycopg.connect(database) as connection:
            hand_over(connection, history, "main")
        yield Given(database, folder, simulation, past, history)


def test_every_customer_has_its_subscription_and_its_current_period(given: Given) -> None:
    # The month of the first ends now.
    first, *others = given.simulation.begin().population.organizations
    rows = given.ask(
        "SELECT organization_id, extract(epoch FROM period_start)::bigint, "
        "extract(epoch FROM period_end)::bigint FROM shared.organizations"
    )
    found = {name: (begins, ends) for name, begins, ends in rows}
    assert found.pop(first.id)
    assert found == {
        one.id: (
            _hour(one.subscription.period_start_seconds),
            _hour(one.subscription.period_end_seconds),
        )
        for one in others
    }
    now = given.simulation.start_seconds
    assert all(begins <= now < ends for begins, ends in found.values())


def _hour(seconds: int) -> int:
    return seconds // HOUR * HOUR


def test_usage_is_that_of_the_span_at_the_rate_of_the_simulation(given: Given) -> None:
    now = given.simulation.start_seconds
    rows = given.ask(USED)
    assert {row[0] for row in rows} == {*given.simulation.deployment.meters}
    for _, _, first, last in rows:
        assert now - 2 * DAY - HOUR <= first <= now - DAY
        assert now - 12 * HOUR <= last <= now
    live = sum(
        amount
        for request in given.simulation.requests(HOUR)
        for part in request.parts
        if not part.repeat
        for (name, _), amount in part.adds
        if name == "billing_usage_tracked_total"
    )
    # A day and a half to two and a half of what an hour brings, by the time of day and by chance.
    assert 48 * live / 4 < sum(row[1] for row in rows) < 48 * live * 4


def test_the_exporter_shows_the_totals_of_the_past_and_nothing_else(given: Given) -> None:
    shown = parse(given.past.expose().decode().removesuffix("# EOF\n"))
    wanted = {
        key: value
        for key, value in shown.samples.items()
        if key[0].startswith(tuple(metric.name for metric in EVENT_METRICS)) and value
    }
    with given.exporter().wait_ready() as exporter:
        found = exporter.scrape().samples
    assert len(wanted) > 200
    assert {key: found.get(key) for key in wanted} == wanted
    payments = sum(v for (name, _), v in found.items() if name == "billing_payment_processed_total")
    assert payments == sum(
        v for (name, _), v in wanted.items() if name == "billing_payment_processed_total"
    )


def test_each_hour_has_the_revenue_that_the_past_had(given: Given) -> None:
    rows = given.ask(
        "SELECT extract(epoch FROM hour)::bigint, sum(amount_minor), min(measured_seconds) "
        "FROM ledger.hourly_revenue GROUP BY 1 ORDER BY 1"
    )
    sums: Counter[str] = Counter()
    for labels, (minor,) in given.past.totals.counts(PAYMENT_AMOUNT).items():
        sums[labels[0]] += minor
    assert sum(row[1] for row in rows) == sum(sums.values()) > 0
    assert [row[2] for row in rows[:-1]] == [HOUR] * (len(rows) - 1)
    marks = given.ask("SELECT sum(total_minor) FROM ledger.revenue_marks")
    assert marks == [(sum(sums.values()),)]


def test_the_gauges_of_the_business_are_read_back(given: Given) -> None:
    with given.exporter().wait_ready():

        def subscriptions() -> int:
            with psycopg.connect(given.database) as connection:
                return sum(read_gauges(connection).get(SUBSCRIPTIONS, {}).values())

        wait_until(lambda: subscriptions() == CUSTOMERS, 20, "they are counted")
