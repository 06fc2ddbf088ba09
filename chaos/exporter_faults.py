"""Faults of the exporter's process, its machine's clock, and its operators."""

import contextlib
import math
import random
import time

from chaos.replica import Replica, wait_superseded
from chaos.stage import Stage, pause
from exporter.ledger.lease import LEASE_SECONDS
from tests.support.sendings import STRIPE_PATH
from tests.support.waiting import wait_until

_SUPERSEDED = "was taken by another process"
_HOUR_SECONDS = 3600
_REFUSED_SECONDS = 20.0


def kill(stage: Stage, randomness: random.Random) -> None:
    """Kill -9, and start again."""
    replica = randomness.choice(stage.replicas)
    with replica.lock:
        stage.note(f"kill -9 of {replica.name}")
        replica.kill()
        pause(randomness.uniform(0, 1))
        replica.restart()


def freeze(stage: Stage, randomness: random.Random) -> None:
    """SIGSTOP for longer than its lease lasts. In two of three cases another process takes its
    name meanwhile; then it has to end by itself as soon as it goes on.
    """
    replica = randomness.choice(stage.replicas)
    succeeded = randomness.random() < 2 / 3
    seconds = LEASE_SECONDS + randomness.uniform(0.5, 1.5)
    with replica.lock:
        stage.note(f"SIGSTOP of {replica.name} for {seconds:.1f} s, succeeded: {succeeded}")
        with contextlib.ExitStack() as ice:
            # Where PostgreSQL is embedded, a process that is stopped while it starts that again
            # keeps every other from doing so, and from starting itself.
            with stage.database_lock if stage.plan.embedded else contextlib.nullcontext():
                if stage.plan.embedded:
                    _wait_settled(replica)
                process = ice.enter_context(replica.frozen())
            begun = time.monotonic()
            if succeeded:
                replica.succeed()
            pause(max(0.0, begun + seconds - time.monotonic()))
        stage.note(f"SIGCONT of {replica.name}")
        if succeeded:
            code = wait_superseded(process)
            if code != 1 or _SUPERSEDED not in process.log:
                stage.wrong.append(f"the superseded {replica.name} ended with {code}")


def _wait_settled(replica: Replica) -> None:
    """Until it has its database, and has had it for as long as it takes to look after it."""

    def has_database() -> bool:
        return replica.process.scrape().total("billing_up", source="postgres") == 1

    wait_until(has_database, 20, "the replica has its database")
    pause(1.0)
    wait_until(has_database, 20, "the replica still has its database")


def restart_all(stage: Stage, randomness: random.Random) -> None:
    """SIGTERM and start, one replica after the other."""
    for replica in randomness.sample(stage.replicas, len(stage.replicas)):
        with replica.lock:
            stage.note(f"SIGTERM of {replica.name}")
            if code := replica.stop():
                stage.wrong.append(f"{replica.name} ended with {code} on SIGTERM")
            replica.restart()


def step_clock(stage: Stage, randomness: random.Random) -> None:
    """One exporter's wall clock goes wrong by an hour, and is set right again. Meanwhile it may
    refuse what is signed, or happened, in another hour.
    """
    replica = randomness.choice(stage.replicas)
    offset = randomness.choice((-_HOUR_SECONDS, _HOUR_SECONDS))
    clock = replica.clock
    assert clock is not None
    with replica.lock:
        stage.note(f"the clock of {replica.name} steps by {offset:+d} s")
        stage.model.clocks_off += 1
        try:
            clock.step(offset)
            before = stage.model.other_hour
            wait_until(lambda: stage.model.other_hour > before, _REFUSED_SECONDS, "a refusal")
            pause(randomness.uniform(0.5, 2))
        finally:
            clock.step(0)
            _await_right_clock(stage, replica)
            stage.model.clocks_off -= 1
        stage.note(f"the clock of {replica.name} is right again")


def _await_right_clock(stage: Stage, replica: Replica) -> None:
    """Until a signature made now is taken for one, be the event stored or not."""
    begun = time.monotonic()

    def is_right() -> bool:
        return any(
            answer.url == replica.url
            and answer.path == STRIPE_PATH
            and answer.status not in (0, 400)
            for answer in stage.model.between(begun, math.inf)
        )

    with contextlib.suppress(AssertionError):
        wait_until(is_right, _REFUSED_SECONDS, "a signature is taken")
