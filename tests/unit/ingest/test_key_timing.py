"""Row 7: how long a comparison takes tells nothing of how much of a key is right.

Welch's t over two kinds of wrong keys, one right but for its last character. What is compared is
the comparison alone, in the order of a coin, with keys that are made alike, so that neither the
machine's load nor where a key lies in memory tells the two apart; the slowest of all samples,
interrupted by something else, are left out.
"""

import gc
import math
import random
import secrets
import statistics
import string
import time
from collections.abc import Callable

from exporter.ingest.auth import is_one_of
from exporter.ledger.api_keys import PREFIX, digest_of

SAMPLES = 100_000
NEVER_ABOVE = 4.5
KEPT = 0.9
ALPHABET = string.ascii_letters + string.digits + "-_"
KEY = PREFIX + secrets.token_urlsafe(32)
KEYS = (KEY, PREFIX + secrets.token_urlsafe(32))


def compare(key: bytes) -> bool:
    """As ApiKeys compares the key of a request."""
    return is_one_of(digest_of(key), KEYS)


def compare_until_wrong(key: bytes) -> bool:
    """As it must not be done."""
    return all(a == b for a, b in zip(key, KEY.encode(), strict=True))


def wrong_key(randomness: random.Random, right: int) -> bytes:
    """A key of which so many characters are right."""
    drawn = "".join(randomness.choices(ALPHABET, k=len(KEY)))
    return (KEY[:right] + "!" + drawn)[: len(KEY)].encode()


def welch_t(check: Callable[[bytes], bool], samples: int) -> float:
    """How clearly the two kinds take different times."""
    randomness = random.Random(7)
    kinds = [0, 1] * samples
    randomness.shuffle(kinds)
    right = (len(PREFIX), len(KEY) - 1)
    keys = [wrong_key(randomness, right[kind]) for kind in kinds]
    took: list[int] = []
    gc.collect()
    gc.disable()
    try:
        for key in keys:
            begun = time.perf_counter_ns()
            check(key)
            took.append(time.perf_counter_ns() - begun)
    finally:
        gc.enable()
    slowest = sorted(took)[int(len(took) * KEPT)]
    groups: tuple[list[int], list[int]] = ([], [])
    for kind, nanoseconds in zip(kinds, took, strict=True):
        if nanoseconds <= slowest:
            groups[kind].append(nanoseconds)
    one, other = groups
    error = math.sqrt(statistics.variance(one) / len(one) + statistics.variance(other) / len(other))
    return (statistics.fmean(one) - statistics.fmean(other)) / error


def test_the_time_of_a_comparison_does_not_tell_how_much_is_right() -> None:
    assert compare(KEY.encode())
    assert abs(welch_t(compare, SAMPLES)) < NEVER_ABOVE


def test_the_same_statistic_sees_a_comparison_that_stops_early() -> None:
    assert compare_until_wrong(KEY.encode())
    assert abs(welch_t(compare_until_wrong, 2_000)) > NEVER_ABOVE
