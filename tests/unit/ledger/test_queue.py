"""The queue in front of the writer: bounds, order, and what goes into a group."""

import asyncio

import pytest

from exporter.ledger.entry import Entry, Submission
from exporter.ledger.queue import (
    MAX_GROUP_BYTES,
    MAX_GROUP_EVENTS,
    MAX_QUEUED_BYTES,
    MAX_QUEUED_EVENTS,
    Queue,
)


def submission(events: int = 1, size_bytes: int = 100, *, urgent: bool = False) -> Submission:
    """A request of so many events."""
    one = Entry(key=("app", "", "a"), digest=1, increments=())
    return Submission((one,) * events, size_bytes, urgent)


def filled(*submissions: Submission) -> Queue:
    """A queue with these in it."""
    queue = Queue()
    for one in submissions:
        queue.put(one)
    return queue


async def test_webhooks_go_first_and_each_kind_keeps_its_order() -> None:
    app, hook = [submission() for _ in range(3)], [submission(urgent=True) for _ in range(3)]
    queue = filled(app[0], hook[0], app[1], hook[1], hook[2], app[2])
    assert queue.take() == [*hook, *app]
    assert queue.events == queue.size_bytes == 0


async def test_a_group_ends_at_its_number_of_events() -> None:
    parts = [submission(MAX_GROUP_EVENTS // 2) for _ in range(3)]
    queue = filled(*parts)
    assert queue.take() == parts[:2]
    assert queue.events == MAX_GROUP_EVENTS // 2
    assert queue.take() == parts[2:]


async def test_a_group_ends_at_its_size() -> None:
    parts = [submission(size_bytes=MAX_GROUP_BYTES // 2 + 1) for _ in range(3)]
    queue = filled(*parts)
    assert [queue.take() for _ in range(3)] == [[part] for part in parts]


async def test_one_submission_goes_however_large_it_is() -> None:
    huge = submission(10 * MAX_GROUP_EVENTS, 2 * MAX_GROUP_BYTES)
    after = submission()
    queue = filled(huge, after)
    assert queue.take() == [huge]
    assert queue.take() == [after]


async def test_a_full_group_of_webhooks_leaves_the_rest_for_the_next() -> None:
    hooks, app = submission(MAX_GROUP_EVENTS, urgent=True), submission()
    queue = filled(app, hooks)
    assert queue.take() == [hooks]
    assert queue.take() == [app]


async def test_those_whose_client_was_answered_are_dropped() -> None:
    waiting, gone = submission(), submission()
    queue = filled(gone, waiting)
    gone.answer.cancel()
    assert queue.take() == [waiting]
    assert queue.events == 0


async def test_there_is_room_up_to_the_bounds() -> None:
    queue = filled(submission(MAX_QUEUED_EVENTS - 1))
    assert queue.has_room(submission())
    assert not queue.has_room(submission(2))
    queue = filled(submission(size_bytes=MAX_QUEUED_BYTES - 100))
    assert queue.has_room(submission(size_bytes=100))
    assert not queue.has_room(submission(size_bytes=101))


async def test_an_empty_queue_takes_whatever_passed_the_limits_of_a_request() -> None:
    assert Queue().has_room(submission(MAX_QUEUED_EVENTS + 1, MAX_QUEUED_BYTES + 1))


async def test_waiting_ends_when_something_comes_or_the_time_is_up() -> None:
    queue = Queue()
    assert not await queue.wait(0.01)
    waiting = asyncio.create_task(queue.wait(10))
    await asyncio.sleep(0)
    queue.put(submission())
    assert await waiting
    assert await queue.wait(0), "what is left over needs no new arrival"
    queue.take()
    assert not await queue.wait(0.01)
    queue.wake()
    assert await queue.wait(0.01)
    assert queue.take() == []


async def test_all_can_be_taken_at_once() -> None:
    parts = [submission(MAX_GROUP_EVENTS, urgent=urgent) for urgent in (False, True)]
    queue = filled(*parts)
    assert queue.take_all() == parts[::-1]
    assert queue.events == queue.size_bytes == 0
    assert not await queue.wait(0.01)


@pytest.mark.parametrize("events", [0, 1, 5])
async def test_a_submission_without_entries_weighs_one(events: int) -> None:
    assert submission(events).weight == max(1, events)
