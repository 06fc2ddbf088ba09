"""Stripe events of any shape: translated to something sound, or refused; never anything else."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.catalogue.book import METRICS, Catalogue
from exporter.errors import TranslationError
from exporter.stripe_events.envelope import read
from exporter.stripe_events.translate import TRANSLATED_TYPES, translate
from fuzz.corpus import words
from fuzz.mutation import Mutator
from fuzz.targets import opened_target
from tests.support.stripe_cases import default_plans
from tests.support.stripe_table import own_events

CATALOGUE = Catalogue()
PLANS = default_plans()
EVENTS = own_events()
MUTATOR = Mutator(words())
LABELS = {metric.name: metric.label_names for metric in METRICS}
_WORDS = st.sampled_from(words())
# What Stripe's objects are made of, put together at random.
_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=5)
    | _WORDS
    | st.sampled_from([0, 1, 100, 1_700_000_000, 2**63 - 1, 2**63, 10**30, "", "\0", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_WORDS, inner, max_size=6)
        | st.fixed_dictionaries({"data": st.lists(inner, max_size=3)})
    ),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(_WORDS, _ANY, max_size=8).map(lambda some: {"id": "obj_1", **some})


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], None]]:
    """Raises where a body breaks a promise."""
    with opened_target("stripe", tmp_path_factory.mktemp("target")) as target:
        yield target


@settings(max_examples=150)
@given(
    st.sampled_from(TRANSLATED_TYPES),
    _OBJECTS,
    st.none() | _OBJECTS,
    st.sampled_from(["event", "v2.core.event"]),
)
def test_an_object_of_any_shape_is_translated_soundly_or_refused(
    check: Callable[[bytes], None], type_: str, object_: Any, previous: Any, envelope: str
) -> None:
    data = {"object": object_, "previous_attributes": previous}
    body = {"object": envelope, "id": "evt_1", "type": type_, "created": 1_700_000_000}
    check(json.dumps({**body, "livemode": True, "data": data}).encode())


@given(st.sampled_from(sorted(EVENTS)), st.randoms(use_true_random=False))
def test_a_damaged_event_is_translated_soundly_or_refused(
    check: Callable[[bytes], None], name: str, chance: Any
) -> None:
    check(json.dumps(MUTATOR.change_value(EVENTS[name], chance)).encode())


@given(st.dictionaries(_WORDS, _ANY, max_size=8) | _ANY)
def test_an_envelope_of_any_shape_is_read_or_malformed(
    check: Callable[[bytes], None], envelope: Any
) -> None:
    check(json.dumps(envelope).encode())
    if isinstance(envelope, dict):
        check(json.dumps({**EVENTS["customer_created.json"], **envelope}).encode())


@given(st.sampled_from(sorted(EVENTS)), st.randoms(use_true_random=False))
def test_the_order_of_keys_means_nothing(name: str, chance: Any) -> None:
    assert counted(shuffled(EVENTS[name], chance)) == counted(EVENTS[name])


@pytest.mark.parametrize("livemode", [True, False])
@given(name=st.sampled_from(sorted(EVENTS)))
def test_every_increment_is_of_the_mode_of_its_event(name: str, livemode: bool) -> None:
    for (metric, labels, _), _ in counted({**EVENTS[name], "livemode": livemode}):
        if "livemode" in LABELS[metric]:
            told = dict(zip(LABELS[metric], labels, strict=True))["livemode"]
            assert told == str(livemode).lower()


def shuffled(value: Any, chance: Any) -> Any:
    """The same JSON with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(one, chance) for one in value] if isinstance(value, list) else value


def counted(body: Any) -> list[Any]:
    """What the event adds; the reason why it can't be told instead."""
    try:
        translation = translate(read(body), PLANS)
    except TranslationError as error:
        return [((str(error), (), 0), 0)]
    return [one for event in translation.events for one in CATALOGUE.increments(event)]
