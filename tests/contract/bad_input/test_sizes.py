"""Bodies beyond their limit: 413 by what was read, whatever the headers say."""

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.alerts import ALERTS, message
from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.refusals import EVENTS, STRIPE, assert_problem, nothing_counted
from tests.support.stripe import sign
from tests.support.telemetry import payment

MIB = 1024 * 1024
LIMITS = {EVENTS: 8 * MIB, STRIPE: MIB, ALERTS: 8 * MIB}
FLOOD_BYTES = 1024 * MIB
HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}


def rejected(path: str, reason: str) -> dict[str, int]:
    """What may rise: only the Stripe route counts what it turns away."""
    return {reason: 1} if path == STRIPE else {}


def chunks(size_bytes: int) -> Iterator[bytes]:
    """A body without a Content-Length."""
    chunk = b" " * 65_536
    for start in range(0, size_bytes, len(chunk)):
        yield chunk[: size_bytes - start]


def resident_bytes(target: ExporterProcess) -> int:
    fields = Path(f"/proc/{target.process.pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def padded(body: bytes, size_bytes: int) -> bytes:
    return body.ljust(size_bytes)


def event_of(path: str) -> bytes:
    if path == EVENTS:
        return json.dumps(payment()).encode()
    if path == ALERTS:
        return json.dumps(message()).encode()
    stripe = {"object": "event", "id": "evt_big", "type": "x.y", "data": {"object": {}}}
    return json.dumps(stripe).encode()


@pytest.mark.parametrize("path", LIMITS)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_at_its_limit_is_taken_and_a_byte_more_is_not(
    target: ExporterProcess, path: str, is_chunked: bool
) -> None:
    """Row 38."""
    limit = LIMITS[path]
    at_limit = padded(event_of(path), limit)
    for body, status in ((at_limit, 200), (at_limit + b" ", 413)):
        data = iter([body[:100], body[100:]]) if is_chunked else body
        headers = {**HEADERS, "Stripe-Signature": sign(body)}
        if status == 200:
            answer = target.session.post(target.url + path, data, headers=headers, timeout=30)
            assert answer.status_code == 200, answer.text
            continue
        with nothing_counted(target, **rejected(path, "too_large")):
            answer = target.session.post(target.url + path, data, headers=headers, timeout=30)
            assert_problem(answer, 413, path)
            assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path", LIMITS)
def test_a_flood_without_a_length_is_cut_off_and_costs_no_memory(
    target: ExporterProcess, path: str
) -> None:
    """Row 38: a gibibyte, of which a few mebibytes are read and thrown away."""
    with nothing_counted(target, **rejected(path, "too_large")):
        before = resident_bytes(target)
        answer = target.session.post(
            target.url + path, chunks(FLOOD_BYTES), headers=HEADERS, timeout=60
        )
        assert_problem(answer, 413, path)
        assert resident_bytes(target) - before < 16 * MIB


@pytest.mark.parametrize("path", LIMITS)
def test_a_client_that_sends_all_before_it_reads_gets_its_answer(
    target: ExporterProcess, path: str
) -> None:
    """Row 38: it would see a reset connection if nobody took the rest."""
    with nothing_counted(target, **rejected(path, "too_large")):
        connection = http.client.HTTPConnection(target.url.removeprefix("http://"), timeout=30)
        connection.request("POST", path, body=b" " * (4 * LIMITS[path]), headers=HEADERS)
        answer = connection.getresponse()
        assert answer.status == 413
        assert json.loads(answer.read())["status"] == 413
        connection.close()


def test_a_length_that_is_too_short_ends_the_body_there(target: ExporterProcess) -> None:
    """Row 38: what follows is no request."""
    body = json.dumps(payment()).encode()
    with nothing_counted(target):
        answer = raw_answer(target, body, f"Content-Length: {len(body) - 1}")
        assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_length_that_is_none_is_refused(target: ExporterProcess) -> None:
    """Row 38."""
    lengths = [
        "Content-Length: -1",
        "Content-Length: many",
        "Content-Length: 99999999999999999999999",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
    ]
    with nothing_counted(target):
        for length in lengths:
            assert raw_answer(target, b"{}", length).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_leaves_early_is_no_fault(target: ExporterProcess) -> None:
    """Row 38: a length that is too long, and the end of the connection instead."""
    body = json.dumps(payment()).encode()
    with nothing_counted(target):
        assert raw_answer(target, body, f"Content-Length: {len(body) + 1}", leave=True) == b""


@pytest.mark.parametrize("path", LIMITS)
def test_a_compressed_body_is_refused_unread(target: ExporterProcess, path: str) -> None:
    """Row 38: a bomb of 64 MiB in 64 KiB."""
    bomb = gzip.compress(b" " * (64 * MIB))
    encodings = ("gzip", "deflate", "br", "zstd", "gzip, identity", "x", "\xff")
    rises = {"unsupported_media": len(encodings)} if path == STRIPE else {}
    with nothing_counted(target, **rises):
        before = resident_bytes(target)
        for encoding in encodings:
            headers = {**HEADERS, "Content-Encoding": encoding, "Stripe-Signature": sign(b"{}")}
            answer = target.session.post(target.url + path, bomb, headers=headers, timeout=30)
            assert_problem(answer, 415, path)
        assert resident_bytes(target) - before < 16 * MIB


def raw_answer(target: ExporterProcess, body: bytes, length: str, *, leave: bool = False) -> bytes:
    """The first answer to a request whose length is told as given, or b"" if none came."""
    host, port = target.url.removeprefix("http://").split(":")
    head = [f"POST {EVENTS} HTTP/1.1", f"Host: {host}", length]
    head += [f"{name}: {value}" for name, value in HEADERS.items()]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall("\r\n".join((*head, "", "")).encode() + body)
        if leave:
            connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").readline()
