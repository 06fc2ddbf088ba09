"""Every Stripe payload at hand counts as the table says; damage to one is refused at worst."""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.catalogue import metrics as m
from exporter.catalogue.book import METRICS, Catalogue
from exporter.errors import MalformedBody, TranslationError
from exporter.stripe_events.envelope import read
from exporter.stripe_events.translate import TRANSLATED_TYPES, Translation, translate
from tests.support.stripe_cases import default_plans
from tests.support.stripe_table import all_events, expected, other_bodies, own_events

_EVENTS = all_events()
_OWN = own_events()
_EXPECTED = expected()
_LABELS = {metric.name: metric.label_names for metric in METRICS}
_CATALOGUE = Catalogue()
_PLANS = default_plans()
_KNOWN = [name for name in _EVENTS if name in _EXPECTED]
_UNKNOWN = [name for name in _EVENTS if name not in _EXPECTED]
_JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=8),
    st.sampled_from(["", "\0", "\ud800", "x" * 300, "9" * 5000]),
    st.floats(),
    st.integers(),
    st.sampled_from([-1, 2**63, -(2**63), 10**400, 10**4000]),
    st.sampled_from([[], {}, [[]], [None], {"data": [None, {}]}, {"id": []}]),
)


@pytest.mark.parametrize("name", _KNOWN)
def test_each_payload_adds_exactly_what_the_table_says(name: str) -> None:
    assert _added(_EVENTS[name]) == _EXPECTED[name]


def test_all_payloads_together_add_the_sum_of_the_table() -> None:
    counted: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for name in _KNOWN:
        counted.update(_added(_EVENTS[name]))
        wanted.update(_EXPECTED[name])
    assert counted == wanted
    assert sum(wanted.values()) > 0


def test_the_table_has_a_row_for_every_hand_written_event_and_no_other() -> None:
    assert {name for name in _EXPECTED if "/" not in name} == _OWN.keys()


def test_a_payload_without_a_row_translates_or_becomes_a_dead_letter() -> None:
    refusals = {name: _refusal(_EVENTS[name]) for name in _UNKNOWN}
    for name, refusal in refusals.items():
        assert refusal is None or _EVENTS[name]["id"] in refusal


def test_recorded_files_that_hold_no_event_are_refused() -> None:
    for body in other_bodies().values():
        with pytest.raises(MalformedBody):
            read(body)


def test_every_translated_type_has_a_hand_written_fixture() -> None:
    fixtures = {body["type"] for body in _OWN.values()}
    pending = "customer.subscription.pending_update_expired"
    assert set(TRANSLATED_TYPES) - fixtures == {pending}


@pytest.mark.parametrize("page", ["card_payment_clover", "card_payment_2020", "card_payment_2015"])
def test_the_events_of_one_card_payment_count_once_in_each_metric(page: str) -> None:
    counted: Counter[str] = Counter()
    for name, body in _OWN.items():
        if name.startswith(f"{page}.json#"):
            counted.update(_added(body))
    counts = {series: n for series, n in counted.items() if "_amount_" not in series}
    assert set(counts.values()) == {1}
    assert sum(m.PAYMENT_PROCESSED.name in series for series in counts) == 1
    assert sum(m.INVOICE_PAID.name in series for series in counts) == 1


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_payload_raises_anything_but_a_refusal(data: st.DataObject) -> None:
    body = copy.deepcopy(_OWN[data.draw(st.sampled_from(sorted(_OWN)))])
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(list(_places(body))))
        if data.draw(st.booleans()):
            holder[key] = copy.deepcopy(data.draw(_JSON))
        else:
            del holder[key]
    try:
        translation = _translate(body)
    except (MalformedBody, TranslationError) as refused:
        str(refused).encode()
    else:
        _assert_storable(translation)


def _translate(body: Any) -> Translation:
    return translate(read(body), _PLANS)


def _refusal(body: Any) -> str | None:
    try:
        _translate(body)
    except TranslationError as refused:
        return str(refused)
    return None


def _added(body: Any) -> dict[str, int]:
    """Series → amount over the payload's canonical events; zeros and the count of events aside."""
    added: Counter[str] = Counter()
    for event in _translate(body).events:
        for (name, values, part), amount in _CATALOGUE.increments(event):
            assert part == 0
            if name != m.EVENTS_RECEIVED.name and amount != 0:
                pairs = zip(_LABELS[name], values, strict=True)
                labels = ",".join(f'{label}="{value}"' for label, value in pairs)
                added[f"{name}{{{labels}}}"] += amount
    return dict(added)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in the JSON where something can be damaged."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _assert_storable(translation: Translation) -> None:
    """Text is valid UTF-8 without NUL, amounts fit 64 bits, and the accounting takes it all."""
    for event in translation.events:
        assert event.source == "stripe"
        assert event.amount_minor is None or 0 <= event.amount_minor < 2**63
        for text in (event.once, event.currency, *event.attributes.values()):
            assert text is None or ("\0" not in text and text.encode())
        _CATALOGUE.increments(event)
    state = translation.subscription
    if state is not None:
        for text in (state.subscription_id, state.customer_id, state.status, state.plan):
            assert text is None or ("\0" not in text and text.encode())
        for moment in (state.period_start_seconds, state.period_end_seconds):
            assert moment is None or 0 <= moment < 2**63
