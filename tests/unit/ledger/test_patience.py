"""One timer for all answers that are waited for."""

import asyncio

import pytest

from exporter.ledger.patience import Patience


class Impatient(Exception):
    """The time is up."""


def make_patience(within_seconds: float) -> Patience:
    return Patience(within_seconds, Impatient)


async def test_every_answer_that_takes_too_long_is_given_up_in_its_turn() -> None:
    loop, patience = asyncio.get_running_loop(), make_patience(0.05)
    answers = []
    for _ in range(3):
        answers.append(loop.create_future())
        patience.watch(answers[-1])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(answers[0]), 0.01)
    for answer in answers:
        with pytest.raises(Impatient):
            await answer


async def test_an_answer_in_time_is_left_alone_and_the_next_still_has_its_time() -> None:
    loop, patience = asyncio.get_running_loop(), make_patience(0.05)
    early, late = loop.create_future(), loop.create_future()
    patience.watch(early)
    patience.watch(late)
    early.set_result("done")
    with pytest.raises(Impatient):
        await late
    assert await early == "done"


async def test_what_was_answered_is_not_kept() -> None:
    loop, patience = asyncio.get_running_loop(), make_patience(60)
    for _ in range(100):
        answer = loop.create_future()
        patience.watch(answer)
        answer.set_result(None)
    assert len(patience._watched) == 1


async def test_after_a_rest_time_is_kept_again() -> None:
    loop, patience = asyncio.get_running_loop(), make_patience(0.01)
    for _ in range(2):
        answer = loop.create_future()
        patience.watch(answer)
        with pytest.raises(Impatient):
            await asyncio.wait_for(answer, 5)
