"""Whatever an application raises is answered as a problem, and faults of ours tell nothing."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter import errors
from exporter.errors import InvalidEvents, LedgerUnavailable, NotFound, Problem
from exporter.web.problems import App, Message, Problems, Receive, Send
from tests.support.asgi import ask

CANARY = "canary-secret"


def raising(error: Exception) -> App:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise error

    return Problems(app)


def every_problem() -> list[type[Problem]]:
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [type_ for type_ in found if issubclass(type_, Problem) and type_ is not Problem]


@pytest.mark.parametrize("type_", every_problem(), ids=lambda type_: type_.__name__)
async def test_every_problem_is_told_in_full(type_: type[Problem]) -> None:
    remedy = () if type_ is LedgerUnavailable else ("Mend it.",)
    problem = type_("It is so.", *remedy)
    answer = await ask(raising(problem), "POST", "/some/pl\u00e4ce")
    assert answer.status == type_.status
    assert 400 <= answer.status < 600
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert json.loads(answer.body) == {
        "type": f"urn:billing-exporter:problem:{type_.slug}",
        "title": type_.title,
        "status": type_.status,
        "detail": "It is so.",
        "remedy": problem.remedy,
        "instance": "/some/pl\u00e4ce",
    }


def test_every_problem_has_a_type_of_its_own() -> None:
    slugs = [type_.slug for type_ in every_problem()]
    assert len(set(slugs)) == len(slugs) == len({type_.title for type_ in every_problem()})


async def test_the_events_at_fault_are_listed() -> None:
    faults = [{"position": 3, "reason": "It is bad.", "remedy": "Mend it."}]
    answer = await ask(raising(InvalidEvents("One.", "Mend.", errors=faults)), "POST", "/")
    assert json.loads(answer.body)["errors"] == faults


async def test_a_problem_brings_its_headers() -> None:
    answer = await ask(raising(LedgerUnavailable("Away.", retry_after_seconds=7)), "POST", "/")
    assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("type_", "closes"), [(errors.Timeout, True), (errors.BodyTooLarge, True), (NotFound, False)]
)
async def test_a_connection_with_an_unread_body_ends(type_: type[Problem], closes: bool) -> None:
    answer = await ask(raising(type_("It is so.", "Mend it.")), "POST", "/")
    assert (answer.headers.get("connection") == "close") == closes


async def test_a_fault_of_ours_is_logged_and_told_without_a_word_of_it() -> None:
    with capture_logs() as logs:
        answer = await ask(raising(ValueError(CANARY)), "POST", "/somewhere")
    assert answer.status == 500
    assert CANARY.encode() not in answer.body
    problem = json.loads(answer.body)
    assert problem["type"] == "urn:billing-exporter:problem:internal-error"
    assert problem["instance"] == "/somewhere"
    (entry,) = logs
    assert entry["event"] == "a request failed"
    assert entry["path"] == "/somewhere"
    assert f"ValueError: {CANARY}" in entry["exception"]


async def test_the_log_of_a_fault_has_no_values_of_locals() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        secret = CANARY
        raise ValueError(len(secret))

    with capture_logs() as logs:
        await ask(Problems(app), "GET", "/")
    assert "ValueError: 13" in str(logs)
    assert CANARY not in str(logs)


@pytest.mark.parametrize("error", [ValueError(CANARY), NotFound("Too late.", "Too late.")])
async def test_an_answer_that_has_begun_is_not_begun_again(error: Exception) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {}

    with capture_logs():
        await Problems(app)({"type": "http", "path": "/"}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_what_is_no_request_passes_through() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])
        raise RuntimeError

    async def never(*_: Any) -> Any:
        raise AssertionError

    with pytest.raises(RuntimeError):
        await Problems(app)({"type": "lifespan"}, never, never)
    assert seen == ["lifespan"]
