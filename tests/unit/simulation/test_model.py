"""The model's sequence: repeatable, lazy, in order, of the volume that was asked for."""

import itertools
import json
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from exporter.settings import Config, PlanConfig, PlanMeterConfig
from exporter.simulation.model import Simulation
from exporter.simulation.request import Request
from exporter.simulation.rhythm import activity, growth
from exporter.simulation.scenarios import Incident
from tests.support.simulation import START_SECONDS, app_events, make_simulation, stripe_events

WEEK_SECONDS = 7 * 86_400


def first(simulation: Simulation, count: int = 300) -> list[Request]:
    return list(itertools.islice(simulation.requests(), count))


def ids(simulation: Simulation) -> set[str]:
    events = (*stripe_events(simulation, 60.0), *app_events(simulation, 60.0))
    return {event["id"] for event in events}


def test_equal_simulations_make_equal_bytes() -> None:
    assert first(make_simulation("duplicates")) == first(make_simulation("duplicates"))


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    simulation = make_simulation()
    short = [request for request in simulation.requests(60.0) if request.offset_seconds < 50]
    assert short == [
        request for request in simulation.requests(90.0) if request.offset_seconds < 50
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"start_seconds": START_SECONDS + 1},
        {"scenario": make_simulation("refund-spike").scenario},
        {"livemode": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_runs_that_differ_share_no_id(change: dict[str, Any]) -> None:
    simulation = make_simulation()
    assert ids(simulation).isdisjoint(ids(replace(simulation, **change)))


def test_the_same_seed_takes_the_same_course_at_another_time() -> None:
    simulation = make_simulation()
    later = replace(simulation, start_seconds=START_SECONDS + WEEK_SECONDS)
    courses = [
        [(request.offset_seconds, request.parts[0].name) for request in first(one)]
        for one in (simulation, later)
    ]
    assert courses[0] == courses[1]


def test_requests_come_in_the_order_in_which_they_are_due() -> None:
    offsets = [request.offset_seconds for request in make_simulation("reordering").requests(300)]
    assert offsets == sorted(offsets)
    assert offsets[-1] <= 300


def test_events_are_not_sent_before_they_happen() -> None:
    for request in make_simulation("duplicates").requests(200.0):
        now = START_SECONDS + request.offset_seconds
        if request.parts[0].source == "stripe":
            assert json.loads(request.body)["created"] <= now
        for line in request.body.splitlines() if request.parts[0].source == "app" else ():
            events = json.loads(line)
            for event in events if isinstance(events, list) else [events]:
                happened = datetime.fromisoformat(event["occurred_at"]).timestamp()
                assert happened <= now + 0.001
                assert now - happened < 180


@pytest.mark.parametrize("events_per_second", [0.05, 0.2])
def test_the_volume_of_a_week_is_what_was_asked_for(events_per_second: float) -> None:
    simulation = make_simulation(
        rhythm=True,
        events_per_second=events_per_second,
        growth_per_week=0.0,
        incident=Incident(0.0, 0.0),
    )
    events = sum(len(request.parts) for request in simulation.requests(WEEK_SECONDS))
    assert events == pytest.approx(events_per_second * WEEK_SECONDS, rel=0.15)


def test_a_week_of_activity_has_a_mean_of_one() -> None:
    hours = [activity(START_SECONDS + 3600 * hour) for hour in range(7 * 24)]
    assert sum(hours) / len(hours) == pytest.approx(1.0, abs=0.001)


def test_afternoons_are_busier_than_nights_and_weekdays_than_weekends() -> None:
    friday = datetime.fromisoformat("2026-11-20T00:00:00+00:00").timestamp()
    assert activity(friday + 15 * 3600) > 3 * activity(friday + 3 * 3600)
    assert activity(friday + 12 * 3600) > 2 * activity(friday + 36 * 3600)


def test_growth_is_what_it_says_a_week() -> None:
    assert growth(0.0, 0.1) == 1.0
    assert growth(2 * WEEK_SECONDS, 0.1) == pytest.approx(1.21)


def test_every_id_is_new_and_shaped_as_stripe_shapes_it() -> None:
    found = stripe_events(make_simulation(events_per_second=50.0))
    assert len({event["id"] for event in found}) == len(found) > 1000
    prefixes = {
        "customer": "cus_",
        "subscription": "sub_",
        "invoice": "in_",
        "payment_intent": "pi_",
        "charge": "ch_",
        "refund": "re_",
        "payout": "po_",
        "payment_method": "pm_",
        "checkout.session": "cs_",
    }
    seen = set()
    for event in found:
        if event["object"] == "event":
            subject = event["data"]["object"]
            assert event["id"].startswith("evt_")
            assert subject.get("livemode", False) is event["livemode"] is False
            if prefix := prefixes.get(subject["object"]):
                seen.add(subject["object"])
                assert subject["id"].startswith(prefix)
    assert seen == set(prefixes)


def test_objects_stay_the_same_from_event_to_event() -> None:
    """A subscription keeps its customer and currency, and an invoice that failed is the one that
    is paid in the end.
    """
    found = stripe_events(make_simulation("dunning", events_per_second=40.0), 400.0)
    owners: dict[str, tuple[str, str]] = {}
    failed: set[str] = set()
    recovered = 0
    for event in sorted(found, key=lambda event: str(event["created"])):
        subject = event.get("data", {}).get("object", {})
        if subject.get("object") == "subscription":
            owner = (subject["customer"], subject["currency"])
            assert owners.setdefault(subject["id"], owner) == owner
        if event["type"] == "invoice.payment_failed":
            failed.add(subject["id"])
        if event["type"] == "invoice.paid" and subject["attempt_count"] > 1:
            recovered += 1
            assert subject["id"] in failed
            subscription = subject["parent"]["subscription_details"]["subscription"]
            assert owners[subscription][0] == subject["customer"]
    assert recovered > 3


def test_declines_have_many_reasons_and_wanting_funds_leads() -> None:
    reasons = Counter(
        event["data"]["object"]["last_payment_error"]["decline_code"]
        for event in stripe_events(make_simulation("payment-failures-critical"), 400.0)
        if event["type"] == "payment_intent.payment_failed"
    )
    assert len(reasons) >= 5
    assert reasons.most_common(1)[0][0] == "insufficient_funds"


def test_organisations_are_of_very_different_sizes() -> None:
    used: Counter[str] = Counter()
    for event in app_events(make_simulation(events_per_second=50.0)):
        if event["event"] == "usage_tracked":
            used[event["metadata"]["organization_id"]] += event["measurements"]["quantity"]
    amounts = sorted(used.values())
    assert amounts[-1] > 20 * amounts[len(amounts) // 2]


def customers(simulation: Simulation) -> list[tuple[str, str, str]]:
    organizations = simulation.begin().population.organizations
    return [(one.id, one.customer_id, one.subscription.id) for one in organizations]


def test_runs_of_the_same_name_have_the_same_customers_and_no_other_id() -> None:
    run = make_simulation(customers="demo")
    later = replace(
        run, start_seconds=START_SECONDS + 60, scenario=make_simulation("dunning").scenario
    )
    assert customers(later) == customers(run)
    assert ids(later).isdisjoint(ids(run))
    made = {event["data"]["object"]["id"] for event in created(run)}
    assert made
    assert made.isdisjoint(event["data"]["object"]["id"] for event in created(later))


def created(simulation: Simulation) -> list[dict[str, Any]]:
    return [
        event
        for event in stripe_events(simulation, 120.0)
        if event["type"] == "customer.subscription.created"
    ]


@pytest.mark.parametrize("change", [{"seed": 2}, {"customers": "other"}, {"customers": ""}])
def test_other_runs_have_other_customers(change: dict[str, Any]) -> None:
    run = make_simulation(customers="demo")
    assert not {*customers(run)} & {*customers(replace(run, **change))}


def test_an_offer_has_the_quota_that_is_configured_or_one_by_its_price() -> None:
    meters = {"tokens": PlanMeterConfig(quota=70), "seats": PlanMeterConfig(quota=9)}
    config = Config(
        meters=("tokens", "seats"),
        plans={"gold": PlanConfig(meters=meters), "free": PlanConfig(), "pro": PlanConfig()},
    )
    offers = {one.plan: one for one in make_simulation(config=config).deployment.offers}
    assert offers["gold"].quota(seats=3) == 70
    assert 0 < offers["free"].quota(seats=3) < offers["pro"].quota(seats=3)
