"""The one door."""

import msgspec
import pytest

from exporter.catalogue.accounting import ACCOUNTING
from exporter.catalogue.stripe_types import STRIPE_EVENT_TYPES
from exporter.stripe_events.envelope import read
from exporter.stripe_events.translate import TRANSLATED_TYPES, translate
from tests.support.stripe_cases import default_plans, event, fixture, translated
from tests.support.stripe_table import own_events


def test_every_translated_type_has_a_label_value_of_its_own() -> None:
    assert set(TRANSLATED_TYPES) <= set(STRIPE_EVENT_TYPES)
    assert list(TRANSLATED_TYPES) == sorted(set(TRANSLATED_TYPES))


@pytest.mark.parametrize("type_", ["invoice.updated", "plan.created", "invented.by.a.later.year"])
def test_a_type_without_a_translation_gives_nothing(type_: str) -> None:
    assert translate(event(type_, {"id": "x_1"}), default_plans()) == ((), None)


def test_a_thin_event_of_a_snapshot_type_gives_nothing() -> None:
    paid = read(fixture("invoice_paid_2015"))
    thin = msgspec.structs.replace(paid, thin=True)
    assert translate(thin, default_plans()) == ((), None)


def test_only_events_of_subscriptions_tell_a_state() -> None:
    for body in own_events().values():
        translation = translate(read(body), default_plans())
        expected = body["type"].startswith("customer.subscription.")
        assert (translation.subscription is not None) == expected


def test_all_events_come_from_stripe_in_the_mode_of_their_envelope() -> None:
    for body in own_events().values():
        for one in translate(read(body), default_plans()).events:
            assert one.source == "stripe"
            assert one.livemode == body["livemode"]
            assert one.kind in ACCOUNTING


def test_the_version_of_an_event_changes_nothing() -> None:
    for body in own_events().values():
        claimed = body | {"api_version": "1999-01-01"}
        assert translate(read(claimed), default_plans()) == translate(read(body), default_plans())


def test_translating_changes_nothing_in_the_event() -> None:
    for name, body in own_events().items():
        before = fixture(name if "#" in name else name.removesuffix(".json"))
        translate(read(body), default_plans())
        assert body == before


def test_a_pending_update_tells_a_state_and_no_fact() -> None:
    translation = translated("subscription_pending_update_applied")
    assert translation.events == ()
    assert translation.subscription is not None
