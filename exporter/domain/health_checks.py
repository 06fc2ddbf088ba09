"""What is well and what isn't: each check of health, from what was measured."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Literal

from exporter.domain.health import Check, CheckStatus

# A commit waits for several round trips; a second of them is more than a webhook may take.
SLOW_ROUND_TRIP_SECONDS = 0.1
LONGEST_ROUND_TRIP_SECONDS = 1.0
# What a failover to the standby would lose, or leave to be read late.
SLOW_REPLICATION_SECONDS = 10.0
LONGEST_REPLICATION_SECONDS = 60.0
# Of the time since the last look, all that waited taken together.
SLOW_WAIT_SHARE = 0.5
FILLED_SHARE = 0.5
# Stripe takes a webhook's 3 s for slow; ours is a cheap question.
SLOW_STRIPE_SECONDS = 3.0
# Traffic comes in bursts, whatever it is by the hour.
SHORTEST_SILENCE_SECONDS = 300.0
# None by chance where so many were to come: once in 20 000 looks, or never.
UNLIKELY_EVENTS = 10
IMPOSSIBLE_EVENTS = 30
LEAST_WEEKS = 2
# What Stripe sent is to be processed within that time.
UNPROCESSED_SECONDS = 300.0

StripeOutcome = Literal["ok", "limited", "refused", "away"]
_STRIPE: Mapping[StripeOutcome, tuple[CheckStatus, str]] = {
    "ok": ("ok", "It answers"),
    "limited": ("degraded", "It answers that it is asked too often"),
    "refused": ("failing", "It doesn't take the key"),
    "away": ("failing", "It doesn't answer as it should"),
}


def judge_database(round_trip_seconds: float) -> Check:
    """Its latency."""
    status = _by_bounds(round_trip_seconds, SLOW_ROUND_TRIP_SECONDS, LONGEST_ROUND_TRIP_SECONDS)
    return Check("database", status, f"It answers in {round_trip_seconds * 1000:.1f} ms.")


def judge_replication(standbys: int, lag_seconds: float | None) -> Check | None:
    """How far its slowest standby is behind; None without one. A role that isn't a member of
    pg_monitor isn't told.
    """
    if not standbys:
        return None
    if lag_seconds is None:
        return Check("replication", "unknown", "How far standbys are behind can't be told.")
    status = _by_bounds(lag_seconds, SLOW_REPLICATION_SECONDS, LONGEST_REPLICATION_SECONDS)
    return Check("replication", status, f"The slowest standby is {lag_seconds:.1f} s behind.")


def judge_pool(waited_seconds: float, passed_seconds: float, errors: int) -> Check:
    """What was waited for connections in the time that passed since the last look, and how many
    failed or could not be had.
    """
    if errors:
        detail = f"{errors} connections failed or could not be had, in {passed_seconds:.0f} s."
        return Check("pool", "failing", detail)
    status: CheckStatus = "ok"
    if waited_seconds >= SLOW_WAIT_SHARE * passed_seconds > 0:
        status = "degraded"
    return Check("pool", status, f"Connections were waited for {waited_seconds:.1f} s.")


def judge_queue(filled: float, passed_seconds: float, refused: int) -> Check:
    """How full the queue is (0 to 1), and how many requests were refused since the last look."""
    if refused:
        detail = f"{refused} requests could not be taken, in {passed_seconds:.0f} s."
        return Check("queue", "failing", detail)
    status: CheckStatus = "degraded" if filled >= FILLED_SHARE else "ok"
    return Check("queue", status, f"{filled:.0%} of what may wait does.")


def judge_webhooks(silence_seconds: float | None, past: Sequence[int]) -> Check:
    """Whether the time since the last one, None if there is none, is longer than it should be:
    `past` is how many came meanwhile in each of the past weeks that are known.
    """
    if silence_seconds is None:
        return Check("webhooks", "unknown", "None has come yet.")
    told = f"The last came {_duration(silence_seconds)} ago"
    if silence_seconds < SHORTEST_SILENCE_SECONDS:
        return Check("webhooks", "ok", f"{told}.")
    if len(past) < LEAST_WEEKS:
        return Check("webhooks", "unknown", f"{told}; no two past weeks tell what is usual.")
    expected = median(past)
    status = _by_bounds(expected, UNLIKELY_EVENTS, IMPOSSIBLE_EVENTS)
    return Check("webhooks", status, f"{told}; past weeks had {expected:g} in that time.")


def judge_dead_letters(count: int, oldest_seconds: float) -> Check:
    """Stripe's events that could not be processed, and how old the oldest is."""
    if not count:
        return Check("dead_letters", "ok", "There are none.")
    status: CheckStatus = "failing" if oldest_seconds >= UNPROCESSED_SECONDS else "degraded"
    detail = f"There are {count}, the oldest of {_duration(oldest_seconds)} ago."
    return Check("dead_letters", status, detail)


def judge_monitors(ages: Mapping[str, tuple[float, float]]) -> Check:
    """By job: how long ago it last succeeded, and how long ago that may be, in seconds."""
    late = [name for name, (age, limit) in sorted(ages.items()) if age > limit]
    if not late:
        return Check("monitors", "ok", f"All {len(ages)} succeeded in time.")
    status: CheckStatus = "degraded"
    if any(ages[name][0] > 2 * ages[name][1] for name in late):
        status = "failing"
    told = ", ".join(f"{name} {_duration(ages[name][0])} ago" for name in late)
    return Check("monitors", status, f"Last success too long ago: {told}.")


def judge_alertmanager(answers: Sequence[bool]) -> Check:
    """Which of them, in the order of the settings, answered."""
    silent = [str(number) for number, answered in enumerate(answers, 1) if not answered]
    if not silent:
        return Check("alertmanager", "ok", "All answer." if len(answers) > 1 else "It answers.")
    status: CheckStatus = "failing" if len(silent) == len(answers) else "degraded"
    detail = f"Of {len(answers)} doesn't answer: {', '.join(silent)}."
    return Check("alertmanager", status, detail)


def judge_stripe(outcome: StripeOutcome, taken_seconds: float) -> Check:
    """How Stripe's API answered one question."""
    status, detail = _STRIPE[outcome]
    if status == "ok" and taken_seconds >= SLOW_STRIPE_SECONDS:
        status = "degraded"
    return Check("stripe", status, f"{detail}, in {taken_seconds:.1f} s.")


def _by_bounds(value: float, degraded: float, failing: float) -> CheckStatus:
    if value >= failing:
        return "failing"
    return "degraded" if value >= degraded else "ok"


def _duration(seconds: float) -> str:
    """As in 12 s, 5 min, 3 h, 2 d."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
