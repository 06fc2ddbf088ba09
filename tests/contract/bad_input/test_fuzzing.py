"""The short form of `make fuzz`, and that the fuzzer would notice."""

import importlib.util
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.ledger.embedded import EmbeddedServer
from fuzz.answers import Answer, check_answer
from fuzz.corpus import seeds, words
from fuzz.guided import FuzzerMissingError, Guided, demand_atheris
from fuzz.mutation import Mutator, change_bytes
from fuzz.report import figures, is_clean
from fuzz.routes import Routes, fuzz_routes
from fuzz.targets import TARGETS, opened_target
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.soundness import UnsoundError

CHANGES = 500
SEED = 1
# Inputs that once broke a promise, by the target that they broke.
FOUND = {
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
        for _ in range(CHANGES):
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
