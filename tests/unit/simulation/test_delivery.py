"""Duplicates, retries and batches, as they reach the exporter."""

import json
from collections import Counter

import stripe

from exporter.simulation.request import EVENTS_PATH, STRIPE_PATH, Request, first_events
from tests.support.simulation import make_simulation

SECRET = "whsec_of_this_test"


def requests(scenario: str, duration: float = 240.0) -> list[Request]:
    return list(make_simulation(scenario, events_per_second=30.0).requests(duration))


def test_a_repeated_webhook_has_the_same_bytes_and_comes_later() -> None:
    sent: set[bytes] = set()
    repeats = 0
    for request in requests("duplicates"):
        if request.path == STRIPE_PATH:
            (part,) = request.parts
            assert (request.body in sent) == part.repeat
            sent.add(request.body)
            repeats += part.repeat
    assert repeats > len(sent) / 5


def test_the_app_repeats_whole_batches_and_takes_sent_events_along() -> None:
    sent: set[str] = set()
    whole = partly = 0
    for request in requests("duplicates"):
        if request.path == EVENTS_PATH:
            ids = [json.loads(body)["id"] for body in _events(request)]
            assert [id_ in sent for id_ in ids] == [part.repeat for part in request.parts]
            sent.update(ids)
            again = sum(part.repeat for part in request.parts)
            whole += again == len(ids)
            partly += 0 < again < len(ids)
    assert whole > 20
    assert partly > 20


def test_batches_are_of_a_second_at_most_and_of_every_form() -> None:
    forms: Counter[str] = Counter()
    sizes = []
    quiet = make_simulation(events_per_second=1.0).requests(240.0)
    for request in (*requests("steady"), *quiet):
        if request.path == EVENTS_PATH:
            sizes.append(len(request.parts))
            assert len(_events(request)) == len(request.parts)
            array = request.body.startswith(b"[")
            forms[request.content_type + (" array" if array else "")] += 1
    assert set(forms) == {"application/json array", "application/x-ndjson", "application/json"}
    assert max(sizes) > 20


def test_great_volumes_make_full_batches() -> None:
    simulation = make_simulation(events_per_second=5000.0)
    found = [request for request in simulation.requests(4.0) if request.path == EVENTS_PATH]
    assert max(len(request.parts) for request in found) >= 200
    assert all(len(request.body) < 1 << 20 for request in found)


def test_a_signature_is_stripes_own_and_a_forged_one_is_not() -> None:
    kinds = set()
    for request in requests("forged-webhooks", 90.0):
        if request.path == STRIPE_PATH:
            kinds.add(request.forged)
            header = request.signature(SECRET, 1_795_100_000)
            try:
                stripe.WebhookSignature.verify_header(request.body.decode(), header, SECRET)
                good = True
            except stripe.SignatureVerificationError:
                good = False
            assert good is not request.forged
    assert kinds == {True, False}


def test_events_are_cut_off_after_the_request_that_reaches_their_number() -> None:
    made = list(first_events(make_simulation().requests(), 100))
    assert sum(len(request.parts) for request in made) >= 100
    assert sum(len(request.parts) for request in made[:-1]) < 100


def _events(request: Request) -> list[bytes]:
    if request.content_type == "application/x-ndjson":
        return request.body.splitlines()
    read = json.loads(request.body)
    return [json.dumps(event).encode() for event in (read if isinstance(read, list) else [read])]
