"""Forged, broken, old and early signatures: 400, counted apart, and nothing else happens."""

import itertools
import json
import time

import pytest
import requests

from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.refusals import STRIPE, assert_problem, nothing_counted
from tests.support.stripe import WEBHOOK_SECRET, sign, signature
from tests.support.stripe_cases import fixture

NEW_SECRET = "whsec_new_89abcdef0123456789abcdef012345"
HEADER = "Stripe-Signature"


def body_of(event_id: str = "evt_signed") -> bytes:
    return json.dumps({**fixture("customer_created"), "id": event_id}, indent=2).encode()


def signed(body: bytes, *entries: str, seconds: int) -> dict[str, str]:
    return {HEADER: ",".join((f"t={seconds}", *entries))}


def assert_rejected(target: ExporterProcess, body: bytes, headers: dict[str, str]) -> None:
    with nothing_counted(target, invalid_signature=1):
        assert_problem(target.send_stripe(body, headers), 400, STRIPE)


def test_a_body_that_was_parsed_and_written_again_is_refused(target: ExporterProcess) -> None:
    """Row 1."""
    body = body_of()
    assert_rejected(target, json.dumps(json.loads(body)).encode(), {HEADER: sign(body)})


def test_a_byte_more_or_less_is_refused(target: ExporterProcess) -> None:
    """Row 1."""
    body = body_of()
    for changed in (body + b" ", body + b"\n", body[:-1], b" " + body, body.upper()):
        assert_rejected(target, changed, {HEADER: sign(body)})


def test_every_secret_of_a_rotation_is_taken_in_any_order_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, database_url: str
) -> None:
    """Row 2."""
    settings = {"STRIPE_WEBHOOK_SECRET": f"{WEBHOOK_SECRET}, {NEW_SECRET}"}
    with running_exporter(tmp_path_factory.mktemp("rotation"), database_url, settings) as rotating:
        now = int(time.time())
        numbers = itertools.count()
        for secret in (WEBHOOK_SECRET, NEW_SECRET):
            body = body_of(f"evt_{next(numbers)}")
            good, bad = f"v1={signature(body, secret, now)}", f"v1={'0' * 64}"
            old = f"v0={signature(body, secret, now)}"
            for entries in ((good,), (bad, good), (good, bad), (old, bad, good), (bad, bad, good)):
                answer = rotating.send_stripe(body, signed(body, *entries, seconds=now))
                assert answer.status_code == 200, entries
            for refused in ((bad,), (old,), (), (old, bad), (good.replace("v1", "v2"),)):
                assert_rejected(rotating, body, signed(body, *refused, seconds=now))
        withdrawn = body_of("evt_withdrawn")
        assert_rejected(rotating, withdrawn, {HEADER: sign(withdrawn, "whsec_withdrawn")})


def test_a_signature_counts_for_five_minutes_before_and_after(target: ExporterProcess) -> None:
    """Row 3; seconds within the bound, since the clocks move on meanwhile."""
    for offset_seconds in (-295, 0, 295):
        body = body_of(f"evt_at_{offset_seconds}")
        headers = {HEADER: sign(body, timestamp=int(time.time()) + offset_seconds)}
        assert target.send_stripe(body, headers).json() == {"outcome": "new"}
    for offset_seconds in (-(10**10), -3600, -301, 303, 3600, 10**9):
        body = body_of()
        seconds = int(time.time()) + offset_seconds
        assert_rejected(target, body, {HEADER: sign(body, timestamp=seconds)})


def test_a_header_that_says_nothing_is_refused(target: ExporterProcess) -> None:
    """Row 4."""
    now = int(time.time())
    headers = [
        "",
        ",",
        "=",
        "t",
        "v1",
        "t=,v1=",
        "t=x,v1=00",
        "t=-1,v1=00",
        "t=1e3,v1=00",
        "t=nan,v1=00",
        f"t={'9' * 5000},v1=00",
        "t=1=2,v1=3=4",
        f"t={now}",
        f"t={now},,v1",
        f"v1={signature(body_of(), WEBHOOK_SECRET, now)}",
        f"t={now},v1=\xe9\xe8",
        f"t={now},v1=00,\xff",
        f"t={now},v1=\xc2\xb2",
        "t=\xb2\xb3,v1=00",
        "\xff\xfe",
    ]
    with nothing_counted(target, invalid_signature=len(headers)):
        for header in headers:
            assert_problem(target.send_stripe(body_of(), {HEADER: header}), 400, STRIPE)


def test_a_request_without_a_signature_is_refused(target: ExporterProcess) -> None:
    """Row 4."""
    assert_rejected(target, body_of(), {})


def test_a_hundred_thousand_signatures_are_not_looked_at(target: ExporterProcess) -> None:
    """Row 5; the last of them would even be right."""
    body = body_of()
    now = int(time.time())
    good = f"v1={signature(body, WEBHOOK_SECRET, now)}"
    assert_rejected(target, body, signed(body, *["v1=00"] * 10_000, good, seconds=now))
    headers = signed(body, *["v1=00"] * 100_000, good, seconds=now)
    with nothing_counted(target):
        answer = requests.post(target.url + STRIPE, body, headers=headers, timeout=5)
        assert_problem(answer, 431, STRIPE)
