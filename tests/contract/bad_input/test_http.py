"""Requests that never get as far as a body: keys, paths, methods, content types."""

import json
import socket
from pathlib import Path

import pytest
import requests

from tests.support.alerts import ALERTS
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.refusals import EVENTS, STRIPE, assert_problem, nothing_counted
from tests.support.telemetry import payment

REPLAY = "/api/v1/dead-letters/{}/replay"
BEARER = {"Authorization": f"Bearer {ADMIN_KEY}"}


def ask(
    target: ExporterProcess, method: str, path: str, headers: dict[str, str] | None = None
) -> requests.Response:
    """The answer to a payment sent that way."""
    body = json.dumps(payment()).encode()
    return target.session.request(
        method, target.url + path, data=body, headers=headers, timeout=10, allow_redirects=False
    )


@pytest.mark.parametrize("path", [EVENTS, ALERTS, REPLAY.format(1)])
def test_without_the_key_nothing_is_taken(target: ExporterProcess, path: str) -> None:
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {ADMIN_KEY}x",
        f"Bearer {ADMIN_KEY[:-1]}",
        f"Bearer {ADMIN_KEY.upper()}",
        f"Basic {ADMIN_KEY}",
        ADMIN_KEY,
        f"Bearer {ADMIN_KEY} {ADMIN_KEY}",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 20_000,
    ]
    content_type = {"Content-Type": "application/json"}
    with nothing_counted(target, auth_failures={"missing": 6, "unknown": 7}):
        for headers in (content_type, *({"Authorization": key, **content_type} for key in wrong)):
            answer = ask(target, "POST", path, headers)
            assert_problem(answer, 401, path)
            assert answer.headers["www-authenticate"] == 'Bearer realm="billing"'
            assert ADMIN_KEY not in answer.text


def test_the_scheme_of_the_key_may_have_any_case(target: ExporterProcess) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme}  {ADMIN_KEY} ", "Content-Type": "application/json"}
        assert ask(target, "POST", EVENTS, headers).status_code == 200


def test_what_is_not_served_is_not_found(target: ExporterProcess) -> None:
    paths = [
        "/nothing",
        "/api",
        "/api/v1",
        "/api/v1/event",
        f"{EVENTS}/",
        f"{STRIPE}/",
        f"{ALERTS}/",
        "/metrics/",
        "//metrics",
        "/-/",
        "/metrics.php",
        "/%00%ff",
        "/..%2f..%2fetc/passwd",
        "/" + "a" * 8_000,
    ]
    with nothing_counted(target):
        for path in paths:
            for method in ("GET", "POST"):
                answer = ask(target, method, path, BEARER)
                problem = assert_problem(answer, 404, answer.json()["instance"])
                assert len(problem["detail"]) < 1_000


def test_a_dead_letter_that_does_not_exist_is_not_found(target: ExporterProcess) -> None:
    with nothing_counted(target):
        for number in ("0", "-1", "x", "1.5", "9" * 18, "9" * 19, "9" * 5_000, "\u00b2"):
            path = REPLAY.format(number)
            assert_problem(ask(target, "POST", path, BEARER), 404, path)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (EVENTS, {"POST"}),
        (STRIPE, {"POST"}),
        (ALERTS, {"POST"}),
        (REPLAY.format(1), {"POST"}),
        ("/metrics", {"GET", "HEAD"}),
        ("/", {"GET", "HEAD"}),
        ("/-/healthy", {"GET", "HEAD"}),
        ("/-/ready", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_told_which_are_served(
    target: ExporterProcess, path: str, allowed: set[str]
) -> None:
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - allowed
    with nothing_counted(target):
        for method in sorted(methods):
            answer = ask(target, method, path, BEARER)
            assert answer.status_code == 405
            assert set(answer.headers["allow"].split(", ")) == allowed
            if method != "HEAD":
                assert_problem(answer, 405, path)


def test_another_content_type_is_refused(target: ExporterProcess) -> None:
    others = [
        "",
        "text/plain",
        "text/csv",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-seq",
        "application/cloudevents",
        "application/cloudevents+avro",
        "json",
        "*/*",
        "application/jsonx",
        "x" * 5_000,
        "\xe9",
    ]
    with nothing_counted(target):
        for headers in (BEARER, *({**BEARER, "Content-Type": other} for other in others)):
            problem = assert_problem(ask(target, "POST", EVENTS, headers), 415, EVENTS)
            assert "application/json" in problem["remedy"]


def test_json_is_read_under_its_names(target: ExporterProcess) -> None:
    for media in ("application/json", "APPLICATION/JSON", "application/json; charset=utf-8"):
        assert target.send_events(payment(), media).json()["accepted"] == 1
    for media in ("application/x-ndjson", "application/ndjson", "application/jsonl"):
        assert target.send_events(payment(), media).json()["accepted"] == 1


def test_what_is_no_http_ends_its_connection_alone(target: ExporterProcess) -> None:
    host, port = target.url.removeprefix("http://").split(":")
    begins = [
        b"\x00\x01\x02",
        b"GET",
        b"GET /metrics HTTP/9.9",
        b"BREW / HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1",
    ]
    with nothing_counted(target):
        for begin in begins:
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(begin + b"\r\nHost: a\r\n\r\n")
                answer = connection.makefile("rb").readline()
                assert answer.split()[1] in (b"400", b"431"), answer


def test_a_stripe_route_that_is_switched_off_is_not_found(
    tmp_path: Path, database_url: str
) -> None:
    folder = tmp_path / "main"
    folder.mkdir()
    (folder / "billing.yml").write_text("stripe:\n  webhooks: false\n")
    with running_exporter(folder, database_url) as closed, nothing_counted(closed):
        for headers in (None, {}, {"Stripe-Signature": "t=1,v1=00"}):
            assert_problem(closed.send_stripe(b"{}", headers), 404, STRIPE)
