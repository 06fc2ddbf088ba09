"""What the model says that its events add, against the exporter's own accounting of them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pytest

from exporter.catalogue.book import METRICS
from exporter.catalogue.labels import PLAN
from exporter.catalogue.model import Increment
from exporter.ingest.batch import read_entries
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.entry import Entry
from exporter.settings import Config, PlanConfig
from exporter.simulation.meanings import Sample
from exporter.simulation.model import Simulation
from exporter.simulation.request import STRIPE_PATH, Request
from exporter.simulation.scenarios import SCENARIOS
from exporter.simulation.tally import Tally
from exporter.stripe_events.plans import PlanNames
from exporter.wiring import make_catalogue
from tests.support.simulation import BOTH, START_SECONDS, make_simulation

DURATION_SECONDS = 300.0
OWN_CONFIG = Config(
    default_currency="eur",
    plans={
        "gold": PlanConfig(stripe=("price_1Gold",)),
        "silver-2": PlanConfig(stripe=("prod_Silver",)),
        "gratis": PlanConfig(),
    },
    meters=("tokens",),
    credit_reasons=("gift",),
)
_BOUNDS = {metric.name: len(metric.bounds) for metric in METRICS}


class Accounting:
    """The exporter's, without its ledger: each id and each key of `once` counts once."""

    def __init__(self, config: Config, livemodes: tuple[bool, ...]) -> None:
        catalogue = make_catalogue(config, livemodes)
        plans = {name: plan.stripe for name, plan in config.plans.items()}
        names = PlanNames({name: plans.get(name, ()) for name in catalogue.values(PLAN)})
        self._stripe = StripeEntries(catalogue, names, livemodes, ())
        end = datetime.fromtimestamp(START_SECONDS + DURATION_SECONDS, UTC)
        self._app = Telemetry(catalogue, config.default_currency, livemodes[0], 90, lambda: end)
        self._seen: set[object] = set()
        self.sums: Counter[Sample] = Counter()

    def take(self, request: Request) -> None:
        """Count what a request brings."""
        for entry in self._entries(request):
            if entry.key in self._seen:
                self.sums["billing_events_repeated_total", (entry.key[0], "duplicate")] += 1
                continue
            self._seen.add(entry.key)
            self._add(entry.increments)
            for key, increments in entry.once:
                if (entry.key[:2], key) not in self._seen:
                    self._seen.add((entry.key[:2], key))
                    self._add(increments)

    def _entries(self, request: Request) -> Iterator[Entry]:
        if request.path != STRIPE_PATH:
            yield from read_entries(request.body, request.content_type, self._app)
            return
        submission = self._stripe.submission(request.body, self._stripe.read(request.body))
        letter = submission.dead_letter
        if letter is not None and (letter.scope, letter.id) not in self._seen:
            self._seen.add((letter.scope, letter.id))
            self._add(letter.increments)
        yield from submission.entries

    def _add(self, increments: Iterable[Increment]) -> None:
        for (name, labels, part), amount in increments:
            if not _BOUNDS[name]:
                self.sums[name, labels] += amount
            elif part == _BOUNDS[name] + 1:
                self.sums[f"{name}_sum", labels] += amount
            else:
                self.sums[f"{name}_count", labels] += amount


def nonzero(sums: Counter[Sample]) -> dict[Sample, int]:
    return {sample: amount for sample, amount in sums.items() if amount}


def expectations(
    simulation: Simulation, config: Config, livemodes: tuple[bool, ...]
) -> tuple[dict[Sample, int], dict[Sample, int]]:
    """What the model expects, and what the exporter counts."""
    accounting, tally = Accounting(config, livemodes), Tally()
    for request in simulation.requests(DURATION_SECONDS):
        tally.settle(request)
        if request.forged:
            accounting.sums["billing_stripe_webhook_rejected_total", ("invalid_signature",)] += 1
        else:
            accounting.take(request)
    assert tally.events > 100
    return nonzero(tally.increments), nonzero(accounting.sums)


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_the_model_and_the_exporter_count_alike_in_every_scenario(scenario: str) -> None:
    expected, counted = expectations(make_simulation(scenario), Config(), BOTH)
    assert expected == counted


@pytest.mark.parametrize("seed", [2, 3, 4])
async def test_they_count_alike_with_own_plans_meters_and_currency(seed: int) -> None:
    simulation = make_simulation("duplicates", config=OWN_CONFIG, seed=seed)
    expected, counted = expectations(simulation, OWN_CONFIG, BOTH)
    assert expected == counted
    plans = {labels[2] for name, labels in counted if name == "billing_invoice_paid_total"}
    assert plans == {"gold", "silver-2", "gratis"}


async def test_another_account_is_foreign_whichever_mode_counts() -> None:
    simulation = make_simulation("foreign-accounts", livemodes=(True,))
    expected, counted = expectations(simulation, Config(), (True,))
    assert expected == counted
    outcome = ("stripe", "false", "foreign_account")
    assert counted["billing_stripe_webhook_outcomes_total", outcome] > 50


@pytest.mark.parametrize("livemodes", [(True,), (False,), BOTH])
@pytest.mark.parametrize("livemode", [True, False])
async def test_they_count_alike_whichever_mode_is_sent_and_whichever_counts(
    livemode: bool, livemodes: tuple[bool, ...]
) -> None:
    simulation = make_simulation("other-mode", livemode=livemode, livemodes=livemodes)
    expected, counted = expectations(simulation, Config(), livemodes)
    assert expected == counted
    outcomes = {
        labels[2]
        for name, labels in counted
        if name == "billing_stripe_webhook_outcomes_total" and labels[0] == "stripe"
    }
    assert ("other_mode" in outcomes) == (len(livemodes) == 1)
    assert ("processed" in outcomes) == (livemode in livemodes or len(livemodes) == 1)
