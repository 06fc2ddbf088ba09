"""Each scenario brings its incident, while it lasts, and nothing before."""

import itertools
import math
from collections import Counter
from collections.abc import Callable

import pytest

from exporter.simulation.conditions import STEADY, STEADY_SHARES
from exporter.simulation.happenings import HAPPENINGS
from exporter.simulation.meanings import labels_of
from exporter.simulation.scenarios import SCENARIOS, Course, Incident
from exporter.simulation.tally import Tally
from tests.support.simulation import app_events, make_simulation, stripe_events

BEGIN_SECONDS, END_SECONDS = 60.0, 240.0


class Figures:
    """What a run added to the counters while the incident lasted."""

    def __init__(self, scenario: str) -> None:
        tally = Tally()
        for request in make_simulation(scenario, events_per_second=20.0).requests(END_SECONDS):
            if request.offset_seconds >= BEGIN_SECONDS:
                tally.settle(request)
        self._increments = tally.increments

    def sum(self, metric: str, **labels: str) -> int:
        """Over all series of the metric that have these labels, in stored units."""
        return sum(
            amount
            for sample, amount in self._increments.items()
            if sample[0] == f"billing_{metric}" and labels.items() <= labels_of(sample).items()
        )

    def share(self, metric: str, part: dict[str, str], **labels: str) -> float:
        """The share of the series with `part` in those with `labels`."""
        return self.sum(metric, **labels, **part) / max(1, self.sum(metric, **labels))


def _failing(figures: Figures) -> float:
    return figures.share("payment_processed_total", {"status": "failed"}, source="stripe")


def _mean_grant(figures: Figures) -> float:
    count = figures.sum("credit_grant_size_credits_count")
    return figures.sum("credit_grant_size_credits_sum") / max(1, count)


def _webhook_seconds(figures: Figures) -> float:
    count = figures.sum("stripe_webhook_processing_duration_seconds_count")
    return figures.sum("stripe_webhook_processing_duration_seconds_sum") / 1e6 / max(1, count)


def _outcomes(status: str) -> Callable[[Figures], float]:
    return lambda figures: figures.share(
        "stripe_webhook_outcomes_total", {"status": status}, source="stripe"
    )


def _count(metric: str, **labels: str) -> Callable[[Figures], float]:
    return lambda figures: float(figures.sum(metric, **labels))


# What each incident raises, and how many times what it is on a steady day, at least.
RAISES: dict[str, tuple[Callable[[Figures], float], float]] = {
    "payment-failures": (_failing, 2.0),
    "payment-failures-critical": (_failing, 5.0),
    "no-successful-payments": (_failing, 5.0),
    "payment-errors": (_count("payment_failures_total", failure_code="processing_error"), 20.0),
    "card-testing": (_count("payment_failures_total", failure_code="incorrect_cvc"), 20.0),
    "dunning": (_count("invoice_failed_total", source="stripe"), 8.0),
    "refund-spike": (_count("refund_issued_total"), 8.0),
    "disputes": (_count("dispute_opened_total"), 8.0),
    "payout-failed": (_count("payout_failed_total"), 5.0),
    "webhook-failures": (_outcomes("failed"), 0.1),
    "slow-webhooks": (_webhook_seconds, 300.0),
    "forged-webhooks": (_count("stripe_webhook_rejected_total"), 100.0),
    "duplicates": (_count("events_repeated_total"), 8.0),
    "unknown-events": (_count("label_values_other_total", label="event_type"), 100.0),
    "other-mode": (_count("payment_processed_total", livemode="true", source="stripe"), 50.0),
    "foreign-accounts": (_outcomes("foreign_account"), 0.1),
    "cancellations": (_count("subscription_cancelled_total", source="stripe"), 8.0),
    "signup-surge": (_count("subscription_created_total", source="stripe"), 5.0),
    "credit-anomaly": (_mean_grant, 3.0),
    "huge-grant": (_mean_grant, 20.0),
    "meter-errors": (_count("stripe_meter_errors_total"), 10.0),
    "overage": (_count("usage_tracked_total"), 5.0),
    "quota-warning": (_count("usage_tracked_total"), 3.0),
    "quota-critical": (_count("usage_tracked_total"), 3.0),
    "mass-overage": (_count("usage_tracked_total"), 10.0),
    "cost-spike": (_count("usage_tracked_total"), 10.0),
    "usage-anomaly": (_count("usage_tracked_total"), 3.0),
}
# Those that lower something, delay it, or show in no counter; each has a test of its own below.
OTHERS = {"revenue-drop", "webhook-silence", "webhook-lag", "reordering", "silent-organization"}


@pytest.fixture(scope="module")
def steady() -> Figures:
    return Figures("steady")


@pytest.mark.parametrize("scenario", RAISES)
def test_the_incident_shows_in_the_counters(scenario: str, steady: Figures) -> None:
    measure, factor = RAISES[scenario]
    assert measure(Figures(scenario)) >= factor * (measure(steady) or 1.0)


def test_every_scenario_is_shown_to_make_a_difference() -> None:
    assert RAISES.keys() | OTHERS | {"steady"} == SCENARIOS.keys()


def test_no_payment_succeeds_when_none_should() -> None:
    assert _failing(Figures("no-successful-payments")) == 1.0


def test_revenue_drops_to_a_fraction(steady: Figures) -> None:
    def money(figures: Figures) -> int:
        return figures.sum("payment_amount_total", source="stripe")

    assert money(Figures("revenue-drop")) < money(steady) / 4


def test_stripe_is_silent_while_the_incident_lasts_and_catches_up_afterwards() -> None:
    times = [
        request.offset_seconds
        for request in make_simulation("webhook-silence").requests(400.0)
        if request.parts[0].source == "stripe" and not request.parts[0].repeat
    ]
    assert not any(BEGIN_SECONDS <= time < END_SECONDS for time in times)
    backlog = sum(END_SECONDS <= time < END_SECONDS + 60 for time in times)
    assert backlog > 5 * sum(time < BEGIN_SECONDS for time in times) / 2


def test_lagging_events_are_old_when_they_arrive() -> None:
    simulation = make_simulation("webhook-lag")
    ages = [
        simulation.start_seconds + END_SECONDS - event["created"]
        for event in stripe_events(simulation, END_SECONDS)
        if isinstance(event["created"], int)
    ]
    assert sum(age > 900 for age in ages) > 100


def test_reordering_lets_events_overtake_each_other() -> None:
    def inversions(scenario: str) -> int:
        created = [
            event["created"]
            for event in stripe_events(make_simulation(scenario), END_SECONDS)
            if isinstance(event["created"], int)
        ]
        return sum(later < earlier - 5 for earlier, later in itertools.pairwise(created))

    assert inversions("reordering") > 5 * max(1, inversions("steady"))


def test_organisations_fall_silent_that_were_busy() -> None:
    used: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    simulation = make_simulation("silent-organization", events_per_second=50.0)
    for event in app_events(simulation, END_SECONDS):
        if event["event"] == "usage_tracked":
            minute, second = event["occurred_at"][14:16], event["occurred_at"][17:19]
            offset = int(minute) * 60 + int(second)
            begun = int(simulation.start_seconds) % 3600
            during = BEGIN_SECONDS <= (offset - begun) % 3600 < END_SECONDS
            used[during][event["metadata"]["organization_id"]] += 1
    busiest = [name for name, _ in used[False].most_common(3)]
    assert [name for name in busiest if used[True][name] == 0]


def test_every_share_names_something_that_can_happen() -> None:
    for scenario in SCENARIOS.values():
        assert scenario.incident.shares.keys() <= HAPPENINGS.keys()
    assert sum(STEADY_SHARES.values()) == pytest.approx(1.0, abs=0.01)
    assert HAPPENINGS.keys() == {
        name for scenario in SCENARIOS.values() for name in scenario.incident.shares
    }


def test_an_incident_begins_and_ends_when_it_should() -> None:
    course = Course(SCENARIOS["disputes"], Incident(10.0, 5.0))
    assert course.at(9.999) is STEADY
    assert course.at(10.0).shares["dispute"] > STEADY.shares["dispute"]
    assert course.at(15.0) is STEADY
    assert [course.changes_after(time) for time in (0.0, 10.0, 15.0)] == [10.0, 15.0, math.inf]


def test_before_the_incident_a_run_takes_the_course_of_a_steady_one() -> None:
    courses = [
        [
            (request.offset_seconds, [part.name for part in request.parts])
            for request in make_simulation(scenario).requests(BEGIN_SECONDS - 1)
        ]
        for scenario in ("steady", "payment-failures-critical", "card-testing")
    ]
    assert courses[0] == courses[1] == courses[2]


def test_names_and_summaries_are_fit_for_a_table() -> None:
    for name, scenario in SCENARIOS.items():
        assert scenario.name == name == name.lower()
        assert scenario.summary.endswith(".")
        assert len(scenario.summary) <= 100
        assert bool(scenario.difference) == (name != "steady")
