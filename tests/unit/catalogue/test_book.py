"""Closed sets and increments: what an event adds, as its values are brought into their sets."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue import labels as l
from exporter.catalogue import metrics as m
from exporter.catalogue.accounting import ACCOUNTING
from exporter.catalogue.book import METRICS, Catalogue, stored_bounds
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.events import KINDS, Event
from exporter.catalogue.labels import LABEL_NAME
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import OTHER, Label, Metric

CATALOGUE = Catalogue()
LABEL_NAMES = sorted({name for metric in EVENT_METRICS for name in metric.label_names})
BY_NAME = {metric.name: metric for metric in EVENT_METRICS}


def payment(**changes: Any) -> Event:
    event = Event(
        kind="payment_processed",
        source="app",
        livemode=True,
        amount_minor=4900,
        currency="usd",
        duration_micros=1_200_000,
        attributes={"status": "succeeded", "payment_method": "card"},
    )
    return msgspec.structs.replace(event, **changes)


def counted(event: Event, catalogue: Catalogue = CATALOGUE) -> dict[str, Any]:
    """What the event adds, by metric: label values and amount, or a histogram's parts."""
    found: dict[str, Any] = {}
    for (name, labels, part), amount in catalogue.increments(event):
        if BY_NAME[name].bounds:
            found.setdefault(name, {})[part] = amount
        else:
            assert name not in found
            found[name] = (labels, amount)
    return found


EVENTS = st.builds(
    Event,
    kind=st.sampled_from([kind.name for kind in KINDS]),
    source=st.sampled_from(["app", "stripe"]),
    livemode=st.booleans(),
    amount_minor=st.none() | st.integers(-(10**12), 10**12),
    currency=st.none() | st.sampled_from([*DECIMALS, "xyz", ""]),
    quantity=st.none() | st.integers(0, 10**12),
    duration_micros=st.none() | st.integers(0, 10**12),
    attributes=st.dictionaries(
        st.sampled_from(LABEL_NAMES), st.sampled_from(["pro", "failed", "x", "other", "\u0130"])
    ),
)


@given(EVENTS, EVENTS)
def test_increments_are_of_the_event_alone(event: Event, between: Event) -> None:
    before = copy.deepcopy(event)
    first = CATALOGUE.increments(event)
    CATALOGUE.increments(between)
    assert CATALOGUE.increments(event) == first == Catalogue().increments(event)
    assert event == before


@given(EVENTS)
def test_every_increment_fits_its_metric(event: Event) -> None:
    for (name, labels, part), amount in CATALOGUE.increments(event):
        metric = BY_NAME[name]
        assert len(labels) == len(metric.labels)
        assert 0 <= part <= (len(metric.bounds) + 1 if metric.bounds else 0)
        assert isinstance(amount, int)
        for label, value in zip(metric.labels, labels, strict=True):
            assert value in CATALOGUE.exposed_values(label) or value == OTHER


def test_a_payment_counts_on_its_metrics() -> None:
    assert counted(payment()) == {
        "billing_events_received_total": (("app", "true", "payment_processed"), 1),
        "billing_payment_processed_total": (("app", "true", "succeeded", "card"), 1),
        "billing_payment_amount_total": (("app", "true", "usd"), 4900),
        "billing_payment_processing_duration_seconds": {8: 1, 15: 1_200_000},
    }


def test_a_failed_payment_counts_its_money_as_failed() -> None:
    failed = payment(attributes={"status": "declined", "failure_code": "expired_card"})
    found = counted(failed)
    assert found["billing_payment_processed_total"] == (("app", "true", "failed", "other"), 1)
    assert found["billing_payment_failures_total"] == (("app", "true", "expired_card"), 1)
    assert found["billing_payment_failed_amount_total"] == (("app", "true", "usd"), 4900)
    assert "billing_payment_amount_total" not in found


@pytest.mark.parametrize(
    ("status", "value"),
    [
        *((word, "succeeded") for word in ("success", "SUCCESS", "paid", "ok", "Completed")),
        *((word, "failed") for word in ("failed", "Failure", "error", "declined")),
        ("pending", "other"),
    ],
)
def test_a_value_is_known_by_its_aliases_whatever_their_case(status: str, value: str) -> None:
    labels, _ = counted(payment(attributes={"status": status}))["billing_payment_processed_total"]
    assert labels[2] == value


def test_a_value_outside_its_set_is_other_and_counted_once_an_event() -> None:
    event = Event(
        kind="subscription_created",
        source="app",
        livemode=True,
        amount_minor=1,
        currency="usd",
        attributes={"plan": "unheard of"},
    )
    found = counted(event)
    assert found["billing_subscription_created_total"] == (("app", "true", "other"), 1)
    assert found["billing_subscription_amount_total"][0][-2] == "other"
    assert found["billing_label_values_other_total"] == (("plan",), 1)


@pytest.mark.parametrize("attributes", [{}, {"plan": "other"}])
def test_a_value_that_is_missing_or_other_is_other_and_not_counted_as_unknown(
    attributes: dict[str, str],
) -> None:
    event = Event(
        kind="usage_tracked",
        source="app",
        livemode=True,
        quantity=5,
        attributes={"resource_type": "fix", **attributes},
    )
    found = counted(event)
    assert found["billing_usage_tracked_total"] == (("app", "true", "other", "fix"), 5)
    assert "billing_label_values_other_total" not in found


def test_money_of_an_unknown_currency_is_told_and_not_added() -> None:
    found = counted(payment(currency="xyz"))
    assert "billing_payment_amount_total" not in found
    assert found["billing_label_values_other_total"] == (("currency",), 1)
    assert found["billing_payment_processed_total"][1] == 1


def test_a_measurement_that_is_missing_adds_nothing() -> None:
    assert set(counted(payment(amount_minor=None, duration_micros=None))) == {
        "billing_events_received_total",
        "billing_payment_processed_total",
    }


def test_an_amount_of_zero_counts_as_an_invoice_of_zero() -> None:
    paid = Event(
        kind="invoice_paid", source="stripe", livemode=False, amount_minor=0, currency="usd"
    )
    found = counted(paid)
    assert found["billing_invoice_paid_zero_total"] == (("stripe", "false"), 1)
    assert "billing_invoice_paid_total" not in found
    more = counted(msgspec.structs.replace(paid, amount_minor=1))
    assert more["billing_invoice_paid_total"] == (("stripe", "false", "other"), 1)
    assert "billing_invoice_paid_zero_total" not in more


@pytest.mark.parametrize(
    ("micros", "bucket"), [(0, 0), (5_000, 0), (5_001, 1), (300_000_000, 13), (300_000_001, 14)]
)
def test_an_observation_belongs_to_the_bucket_whose_bound_it_reaches(
    micros: int, bucket: int
) -> None:
    found = counted(payment(duration_micros=micros))["billing_payment_processing_duration_seconds"]
    assert found == {bucket: 1, 15: micros}


def test_bounds_are_stored_in_the_unit_of_the_observations() -> None:
    assert stored_bounds(m.PAYMENT_DURATION)[:3] == (5_000, 10_000, 25_000)
    assert stored_bounds(m.CREDIT_GRANT_SIZE)[:3] == (1, 5, 10)


def test_configured_values_replace_the_shipped_ones() -> None:
    catalogue = Catalogue({"plans": ("Gold", "silver")})
    assert catalogue.values(l.PLAN) == ("Gold", "silver")
    event = Event(kind="usage_tracked", source="app", livemode=True, quantity=1)
    for plan, value in (("gold", "Gold"), ("SILVER", "silver"), ("pro", "other")):
        given = msgspec.structs.replace(event, attributes={"plan": plan})
        assert counted(given, catalogue)["billing_usage_tracked_total"][0][2] == value


@pytest.mark.parametrize("modes", [("true", "false"), ("true",), ("false",)])
@pytest.mark.parametrize("livemode", [True, False])
def test_the_mode_of_an_event_is_told_whatever_modes_count(
    modes: tuple[str, ...], livemode: bool
) -> None:
    """What must not be mixed never becomes `other`."""
    event = Event(
        kind="stripe_webhook_received",
        source="stripe",
        livemode=livemode,
        attributes={"event_type": "invoice.paid", "status": "other_mode"},
    )
    found = counted(event, Catalogue({"stripe.mode": modes}))
    told = "true" if livemode else "false"
    assert found["billing_stripe_webhook_outcomes_total"] == (("stripe", told, "other_mode"), 1)
    assert "billing_label_values_other_total" not in found


def test_zero_series_are_of_narrow_metrics_and_an_app_has_one_mode() -> None:
    assert list(CATALOGUE.zero_series(m.STRIPE_WEBHOOK_RECEIVED)) == []
    assert list(CATALOGUE.zero_series(m.INVOICE_PAID_ZERO)) == [
        ("app", "true"),
        ("stripe", "true"),
        ("stripe", "false"),
    ]
    for metric in METRICS:
        series = list(CATALOGUE.zero_series(metric))
        assert len(set(series)) == len(series)
        assert bool(series) == metric.zero
        assert all(len(labels) == len(metric.labels) for labels in series)


def test_money_is_zero_from_the_start_in_the_configured_currencies_alone() -> None:
    def currencies(catalogue: Catalogue) -> set[str]:
        return {labels[-1] for labels in catalogue.zero_series(m.PAYMENT_AMOUNT)}

    assert currencies(CATALOGUE) == {"usd"}
    assert currencies(Catalogue({"currencies": ("eur", "jpy")})) == {"eur", "jpy"}


def test_every_label_that_events_fill_can_be_told_when_its_value_is_unknown() -> None:
    filled = {
        label.name for metric in EVENT_METRICS for label in metric.labels if _is_filled(label)
    }
    assert filled <= set(LABEL_NAME.values)


def _is_filled(label: Label) -> bool:
    return label not in (l.SOURCE, l.LIVEMODE, l.EVENT_KIND, l.LABEL_NAME, l.SUBSCRIPTION_STEP)


def test_every_event_metric_is_counted_on_by_some_event() -> None:
    used: set[Metric] = {rule.metric for rules in ACCOUNTING.values() for rule in rules}
    assert set(EVENT_METRICS) - used == {m.EVENTS_RECEIVED, m.LABEL_VALUES_OTHER}


def test_every_kind_counts_on_something_of_its_own() -> None:
    assert ACCOUNTING.keys() == {kind.name for kind in KINDS}
    assert all(ACCOUNTING.values())
