"""Events in a measure or size that no scenario has, posted to the exporter as an app would."""

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator

from drill.plan import Make
from drill.repeating import repeated
from drill.stack import Stack
from tests.support.telemetry import payment, usage

_BATCHES_A_SECOND = 4
_GREAT_BATCH_EVENTS = 6000
_CLIENTS = 8


def payments_with_errors(per_second: int, one_in: int) -> Make:
    """The app tells of so many payments; one in so many fails by an error of our own."""

    @contextlib.contextmanager
    def make(stack: Stack) -> Iterator[None]:
        numbers, never = itertools.count(), threading.Event()
        exporter = stack.main.running

        def post() -> None:
            batch = [
                _failed() if next(numbers) % one_in == 0 else payment()
                for _ in range(per_second // _BATCHES_A_SECOND)
            ]
            exporter.send_events(batch).raise_for_status()
            never.wait(1 / _BATCHES_A_SECOND)

        with repeated(post, 1):
            yield

    return make


@contextlib.contextmanager
def great_batches(stack: Stack) -> Iterator[None]:
    """Several clients send as great batches as are taken; later the exporter is restarted, since
    no process gives memory back.
    """
    exporter = stack.main.running
    batch = json.dumps([usage() for _ in range(_GREAT_BATCH_EVENTS)]).encode()

    def post() -> None:
        exporter.send_events(batch).close()

    with repeated(post, _CLIENTS):
        yield
    stack.main.stop()
    stack.main.start().wait_ready()


@contextlib.contextmanager
def single_events(stack: Stack) -> Iterator[None]:
    """The app sends each event by itself, so that each becomes a group of its own."""
    exporter = stack.main.running
    with repeated(lambda: exporter.send_events(usage()).close(), 1):
        yield


def _failed() -> dict[str, object]:
    failed = payment()
    failed["metadata"] |= {"status": "failed", "failure_code": "processing_error"}
    return failed
