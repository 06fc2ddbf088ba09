"""Plays an act: steady traffic, trouble, the alerts and their messages, and the end of it."""

import contextlib
import textwrap
import time
from collections.abc import Sequence

from drill.figures import Outcome
from drill.inbox import Message
from drill.plan import Act, Trouble
from drill.prometheus import SCRAPE_SECONDS
from drill.recipients import recipients_of
from drill.stack import Stack, launched
from drill.waiting import CalledOffError, Patience
from drill.wording import text_faults
from rules.build import annotations_of, terms_of
from rules.families import FAMILIES
from rules.model import Alert, Family
from rules.promql import Duration

# How much longer than the rule promises one waits before one gives up.
_PATIENCE_SECONDS = 30.0
_PATIENCE_FACTOR = 2.0
_DELIVERY_SECONDS = 30.0
_LONGEST_GAP = 200

_FAMILIES: dict[str, tuple[Alert, Family]] = {
    alert.name: (alert, family) for family in FAMILIES for alert in family.alerts
}


def play(act: Act, patience: Patience) -> list[Outcome]:
    """What came of each of its alerts. Whatever breaks is a gap. Raises CalledOffError."""
    outcomes = [
        Outcome(name, act.name, _fires_after(_FAMILIES[name][0]) / act.setup.compression)
        for name in act.alerts
    ]
    try:
        with launched(act.setup) as stack:
            _Player(act, stack, patience, outcomes).play()
    except CalledOffError:
        raise
    except Exception as error:  # noqa: BLE001 - the other acts go on
        for outcome in outcomes:
            outcome.gaps.append(f"broke off: {type(error).__name__}: {_shortened(str(error))}")
    return outcomes


def _shortened(text: str) -> str:
    """One line of a table."""
    return textwrap.shorten(text, _LONGEST_GAP)


def _fires_after(alert: Alert) -> float:
    """What holds of a heartbeat's story is its end; it fires once it has been pending."""
    return float((alert.pending if alert.story.heartbeat else alert.story.fires_after).seconds)


class _Player:
    def __init__(self, act: Act, stack: Stack, patience: Patience, outcomes: list[Outcome]) -> None:
        self._act = act
        self._stack = stack
        self._patience = patience
        self._terms = terms_of(stack.config, act.setup.compression)
        self._outcomes = {outcome.alert: outcome for outcome in outcomes}

    def play(self) -> None:
        stack, act = self._stack, self._act
        if act.history:
            act.history(stack)
        with contextlib.ExitStack() as steady:
            led = self._lead(steady)
            with contextlib.ExitStack() as troubles:
                began: list[float] = []
                for trouble in act.troubles:
                    began.append(time.time() if act.kept else led)
                    troubles.enter_context(trouble.make(stack))
                for trouble, began_seconds in zip(act.troubles, began, strict=True):
                    for name in trouble.alerts:
                        self._await_firing(name, trouble, began_seconds)
                for outcome in self._fired():
                    self._await_messages(outcome)
                if not act.kept and act.steady:
                    steady.enter_context(stack.traffic(act.steady))
            ended = time.time()
            for trouble in act.troubles:
                if trouble.cure:
                    steady.enter_context(trouble.cure(stack))
            for outcome in self._fired():
                self._await_end(outcome, ended)

    def _fired(self) -> list[Outcome]:
        return [one for one in self._outcomes.values() if one.fired_seconds is not None]

    def _lead(self, steady: contextlib.ExitStack) -> float:
        """Steady time before the trouble, in which nothing of it may fire; when it ended. The
        process that made the traffic ends later than that.
        """
        if self._act.steady:
            steady.enter_context(self._stack.traffic(self._act.steady))
        scrapes = self._act.lead_seconds / SCRAPE_SECONDS
        self._patience.wait(
            lambda: self._stack.prometheus.samples_scraped() >= scrapes,
            scrapes + _PATIENCE_SECONDS,
        )
        for name, outcome in self._outcomes.items():
            heartbeat = _FAMILIES[name][0].story.heartbeat
            if not heartbeat and self._stack.prometheus.is_firing(name):
                outcome.gaps.append("fired before the trouble")
        led = time.time()
        if not self._act.kept:
            steady.close()
        return led

    def _compressed(self, duration: Duration) -> float:
        return duration.seconds / self._act.setup.compression

    def _await_firing(self, name: str, trouble: Trouble, began: float) -> None:
        outcome, (alert, family) = self._outcomes[name], _FAMILIES[name]
        limit = outcome.promised_seconds * _PATIENCE_FACTOR + _PATIENCE_SECONDS
        limit += trouble.slack_seconds
        since = 0.0 if alert.story.heartbeat else began
        firing = self._patience.wait(
            lambda: self._stack.prometheus.firing(name, since, time.time()),
            began + limit - time.time(),
        )
        if firing is None:
            outcome.gaps.append(f"did not fire within {limit:.0f} s")
            return
        outcome.fired_seconds = max(0.0, firing.fired_seconds - began)
        if trouble.sharp:
            outcome.late_seconds = outcome.fired_seconds - outcome.promised_seconds
        else:
            held = firing.fired_seconds - firing.active_seconds
            outcome.late_seconds = held - self._compressed(alert.pending)
        # Besides, the trouble is seen by a scrape first, and no duration is less than a second.
        interval = max(1.0, self._compressed(family.interval))
        if abs(outcome.late_seconds) > 2 * interval + SCRAPE_SECONDS:
            outcome.gaps.append(f"fired {outcome.late_seconds:+.1f} s from what it promises")

    def _await_messages(self, outcome: Outcome) -> None:
        name, inbox = outcome.alert, self._stack.inbox
        wanted = recipients_of(_FAMILIES[name][0])
        self._patience.wait(
            lambda: wanted <= {message.to for message in inbox.about(name, resolved=False)},
            _DELIVERY_SECONDS,
        )
        messages = inbox.about(name, resolved=False)
        outcome.receivers = tuple(sorted({message.to for message in messages}))
        if missing := wanted - {*outcome.receivers}:
            outcome.gaps.append(f"nothing came to {', '.join(sorted(missing))}")
        if others := {*outcome.receivers} - wanted:
            outcome.gaps.append(f"came also to {', '.join(sorted(others))}")
        outcome.delivered = {*outcome.receivers} == wanted
        outcome.text_ok = bool(messages)
        self._check_texts(outcome, messages)

    def _check_texts(self, outcome: Outcome, messages: Sequence[Message]) -> None:
        alert = _FAMILIES[outcome.alert][0]
        annotations = annotations_of(alert, self._stack.config, self._terms)
        faults = {fault for message in messages for fault in text_faults(annotations, message)}
        outcome.text_ok = outcome.text_ok and not faults
        outcome.gaps += sorted(faults)

    def _await_end(self, outcome: Outcome, ended: float) -> None:
        name, alert = outcome.alert, _FAMILIES[outcome.alert][0]
        # Nobody is told that a heartbeat has stopped: that is what it is for.
        wanted = set() if alert.story.heartbeat else {*outcome.receivers}
        clears = self._compressed(alert.story.clears_after)
        if alert.keep_firing:
            clears += self._compressed(alert.keep_firing)
        limit = clears * _PATIENCE_FACTOR + _PATIENCE_SECONDS + _DELIVERY_SECONDS

        def missing() -> set[str]:
            told = self._stack.inbox.about(name, resolved=True)
            left = wanted - {message.to for message in told}
            if left or not wanted:
                return left
            rows = self._stack.inbox.history(name)
            return set() if rows and all(row.resolved for row in rows) else {"history"}

        over = self._patience.wait(
            lambda: not missing() and not self._stack.prometheus.is_firing(name),
            ended + limit - time.time(),
        )
        if over:
            outcome.resolved_seconds = time.time() - ended
            self._check_texts(outcome, self._stack.inbox.history(name))
        elif self._stack.prometheus.is_firing(name):
            outcome.gaps.append(f"still fires {limit:.0f} s after the trouble")
        else:
            outcome.gaps.append(f"no end was told to {', '.join(sorted(missing()))}")
