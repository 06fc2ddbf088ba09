"""What must hold of everything that is taken, whoever made it: the checks that property tests and
fuzzers share.
"""

import math
from collections.abc import Iterable

from exporter.catalogue.book import METRICS, Catalogue
from exporter.catalogue.model import Increment
from exporter.ledger.entry import DeadLetter, Entry, Submission
from exporter.ledger.stored_series import encode

_METRICS = {metric.name: metric for metric in METRICS if metric.ledger}
_LARGEST_DIGEST = 2**63
# Of PostgreSQL's index entries, less what stands in them beside the texts.
_LONGEST_KEY_BYTES = 2_600


class UnsoundError(AssertionError):
    """Something was taken that the ledger, or whoever reads the metrics, would choke on."""


def demand(holds: bool, what: object) -> None:
    """Raise UnsoundError unless it holds; asserts would vanish under `python -O`."""
    if not holds:
        raise UnsoundError(str(what)[:2_000])


def check_increments(increments: Iterable[Increment], catalogue: Catalogue) -> None:
    """Each goes to a declared series whose labels are within their closed sets, and adds a finite
    amount that isn't negative, in whole stored units. Raises UnsoundError.
    """
    kept = list(increments)
    for (name, labels, part), amount in kept:
        metric = _METRICS.get(name)
        demand(metric is not None, f"{name} is no metric of the ledger")
        assert metric is not None
        demand(len(labels) == len(metric.labels), f"{name} has the labels {labels}")
        for label, value in zip(metric.labels, labels, strict=True):
            known = catalogue.exposed_values(label)
            demand(value in known, f"{name} has the label {label.name}={value!r}")
        parts = len(metric.bounds) + 2 if metric.bounds else 1
        demand(0 <= part < parts, f"{name} has the part {part}")
        demand(type(amount) is int and amount >= 0, f"{name} rises by {amount!r}")
        demand(math.isfinite(float(amount)), f"{name} rises by {amount!r}")
    encode(kept)


def check_entry(entry: Entry, catalogue: Catalogue) -> None:
    """As `check_increments`, and PostgreSQL can hold the entry's texts. Raises UnsoundError."""
    check_increments(entry.increments, catalogue)
    for key, increments in entry.once:
        check_text(key, longest=_LONGEST_KEY_BYTES)
        size_bytes = len(entry.key[1].encode()) + len(key.encode())
        demand(size_bytes <= _LONGEST_KEY_BYTES, f"a key of {size_bytes} bytes")
        check_increments(increments, catalogue)
    for text in entry.key:
        check_text(text, longest=_LONGEST_KEY_BYTES, empty=True)
    size_bytes = sum(len(text.encode()) for text in entry.key)
    demand(size_bytes <= _LONGEST_KEY_BYTES, f"a key of {size_bytes} bytes")
    demand(-_LARGEST_DIGEST <= entry.digest < _LARGEST_DIGEST, f"digest {entry.digest}")
    if entry.subscription is not None:
        state = entry.subscription
        for told in (state.subscription_id, state.customer_id, state.status, state.plan):
            if told is not None:
                check_text(told, longest=255)
        for moment in (state.period_start_seconds, state.period_end_seconds):
            demand(moment is None or 0 <= moment < 253_402_300_800, f"period bound {moment}")


def check_submission(submission: Submission, catalogue: Catalogue) -> None:
    """As `check_entry` of all its entries, and of what a refusal by the database would make of
    them. Raises UnsoundError.
    """
    for entry in submission.entries:
        check_entry(entry, catalogue)
    letters = [submission.dead_letter] if submission.dead_letter else []
    if submission.if_refused is not None:
        letters.append(submission.if_refused("a reason"))
    for letter in letters:
        _check_letter(letter, catalogue)


def check_text(text: str, *, longest: int, empty: bool = False) -> None:
    """PostgreSQL can hold it, and an index too. Raises UnsoundError."""
    demand("\0" not in text, f"U+0000 in {text!r}")
    demand(not any("\ud800" <= char <= "\udfff" for char in text), f"a surrogate in {text!r}")
    demand((empty or bool(text)) and len(text) <= longest, f"a text of {len(text)} characters")


def _check_letter(letter: DeadLetter, catalogue: Catalogue) -> None:
    check_increments(letter.increments, catalogue)
    for text in (letter.scope, letter.id, letter.event_type):
        check_text(text, longest=300)
    check_text(letter.reason, longest=2_000)
