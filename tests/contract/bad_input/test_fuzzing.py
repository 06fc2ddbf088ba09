"""The short form of `make fuzz`, and that the fuzzer would notice."""

import asyncio
import importlib.util
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.ledger.embedded import EmbeddedServer
from fuzz import wire
from fuzz.answers import Answer, check_answer
from fuzz.corpus import seeds, words
from fuzz.guided import FuzzerMissingError, Guided, demand_atheris
from fuzz.mutation import Mutator, change_bytes
from fuzz.report import figures, is_clean
from fuzz.requests import Case
from fuzz.routes import Routes, fuzz_routes
from fuzz.targets import TARGETS, opened_target
from fuzz.wire import HangError, exchange
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.soundness import UnsoundError

CHANGES = 3_000
# Of a target that reads files.
FEWER_CHANGES = 500
SEED = 1
# Inputs that were found on the way, by their target: they break no promise any more.
FOUND = {
    "stripe": [
        b'{"object": "event", "id": "evt_1", "type": "a.b", "data": {"object": {}}, '
        b'"account": "%b"}' % (b"x" * 255)
    ],
    "config": [b'"\\r": null\n', b"? |\n  a\n  b\n: 1\n"],
}


@pytest.fixture(scope="module")
def fuzzed(
    postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ExporterProcess, str]]:
    """An exporter and its database."""
    with (
        new_database(postgres) as url,
        running_exporter(tmp_path_factory.mktemp("fuzzed"), url) as exporter,
    ):
        yield exporter, url


@pytest.mark.parametrize("name", TARGETS)
def test_every_start_and_many_changes_of_it_keep_every_promise(name: str, tmp_path: Path) -> None:
    rng, mutator, starts = random.Random(SEED), Mutator(words()), seeds(name)
    with opened_target(name, tmp_path) as target:
        for raw in (*starts, *FOUND.get(name, [])):
            target(raw)
        for _ in range(FEWER_CHANGES if name == "config" else CHANGES):
            start = rng.choice(starts)
            target(mutator.change(start, rng) if rng.random() < 0.7 else change_bytes(start, rng))


def test_a_round_of_requests_of_every_kind_finds_nothing(
    fuzzed: tuple[ExporterProcess, str], tmp_path: Path
) -> None:
    exporter, url = fuzzed
    found = fuzz_routes(exporter, url, seconds=0, seed=SEED, crashes=tmp_path)
    assert found.reasons == []
    assert found.cases >= 600
    # Else the requests would be too much alike to say anything.
    assert {200, 400, 401, 404, 405, 415, 422} <= found.statuses.keys()
    assert is_clean(figures([], found, SEED))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, {"content-type": "application/problem+json"}, b"{}"),
        Answer(503, {}, b""),
        Answer(400, {"content-type": "text/plain; charset=utf-8"}, b"Invalid HTTP request."),
        Answer(422, {"content-type": "application/problem+json"}, b'{"status": 422}'),
    ],
)
def test_an_answer_that_breaks_a_promise_is_noticed(answer: Answer) -> None:
    with pytest.raises(UnsoundError):
        check_answer(answer, "POST")


PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        (PAGE + b"ok", None),
        (b"", HangError),
        (PAGE, HangError),
        (b"HTTP/1.1 200 OK\r\n\r\n", UnsoundError),
        (b"SSH-2.0-x\r\n", UnsoundError),
        (PAGE.replace(b"200 OK", b"500 Oh"), HangError),
        (PAGE.replace(b"200 OK", b"500 Oh") + b"no", UnsoundError),
        (PAGE.replace(b"\r\n\r\n", b"\r\nX: a\r\nX: b\r\n\r\n") + b"ok", UnsoundError),
    ],
)
async def test_a_server_that_says_nothing_or_nonsense_is_noticed(
    says: bytes, fault: type[UnsoundError] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ANSWER_WITHIN_SECONDS", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        case = Case((b"GET / HTTP/1.1\r\n\r\n",), ("GET",), trusted=False)
        found = (await exchange(port, case)).fault
    assert type(found) is (fault or type(None))


def test_everything_that_was_found_fails_the_run() -> None:
    clean, seed = Guided("json", inputs=5, edges=3), 1
    assert is_clean(figures([clean], Routes(), seed))
    for fault in (
        Routes(hangs=1),
        Routes(wrong=1),
        Routes(broken_expositions=1),
    ):
        assert not is_clean(figures([clean], fault, seed))
    for name in ("json-crash-0", "json-timeout-0"):
        assert not is_clean(figures([Guided("json", finds=[Path(name)])], None, seed))
    routes = Routes()
    routes.statuses[502] = 1
    told = figures([clean], routes, seed)
    assert not is_clean(told)
    assert json.loads(json.dumps(told))["5xx"] == 1


def test_without_its_engine_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(FuzzerMissingError, match="make fuzz"):
        demand_atheris()
