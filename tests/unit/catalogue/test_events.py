"""The event kinds and their examples, as the documentation shows them."""

import json
from datetime import UTC, datetime

import pytest

from exporter.catalogue.book import Catalogue
from exporter.catalogue.events import APP_KINDS, KINDS, MEASUREMENTS, METADATA, Kind
from exporter.catalogue.model import OTHER
from exporter.ingest.telemetry import Telemetry

SEED_KINDS = """
subscription_created subscription_renewed subscription_cancelled payment_processed invoice_paid
invoice_failed usage_tracked credits_added credits_consumed stripe_webhook_received
"""


def test_the_kinds_of_apps_are_those_ten() -> None:
    assert [kind.name for kind in APP_KINDS] == SEED_KINDS.split()
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", APP_KINDS, ids=lambda kind: kind.name)
def test_its_example_is_taken_and_every_label_of_it_is_known(kind: Kind) -> None:
    now = datetime.fromisoformat(kind.example["occurred_at"])
    telemetry = Telemetry(Catalogue(), "usd", True, 90, lambda: now.astimezone(UTC))
    entry = telemetry.decode(json.dumps(kind.example).encode())
    names = {series.metric for series, _ in entry.increments}
    assert len(names) > 1
    assert "billing_label_values_other_total" not in names
    given = {"payment_processed", "usage_tracked", "credits_added", "credits_consumed"}
    if kind.name in given:
        assert not [series for series, _ in entry.increments if OTHER in series.labels]


@pytest.mark.parametrize("kind", APP_KINDS, ids=lambda kind: kind.name)
def test_what_it_takes_is_documented(kind: Kind) -> None:
    assert set(kind.required) <= set(kind.measurements) <= set(MEASUREMENTS)
    assert kind.example["measurements"].keys() <= MEASUREMENTS.keys()
    assert kind.example["metadata"].keys() <= METADATA.keys()
    assert kind.help.endswith(".")


def test_an_event_that_only_stripe_tells_takes_nothing_of_an_app() -> None:
    for kind in KINDS:
        if not kind.from_app:
            assert (kind.measurements, kind.required, kind.example) == ((), (), {})
