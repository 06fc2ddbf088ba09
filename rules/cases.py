"""The cases of an alert's test, made from its story: promtool's test groups as data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rules.model import Alert, Story, Track
from rules.promql import Duration, Terms

CASES = (
    "fires",
    "stays silent just under",
    "stays silent when it is short",
    "without traffic",
    "without its series",
    "at a first increment",
    "stays silent at a counter's restart",
    "ends when it is over",
)
# A stretch of a story: a phase's name, or how far each track goes up in a step; and its steps.
Stretch = tuple[str, int]
_RESTART = "restart"
_FIRST = "first"
_CHECKS = 12


def test_groups(
    alert: Alert, terms: Terms, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One group of promtool's for each of `CASES`. `labels` and `annotations` are those with which
    the alert fires.
    """
    writer = _Writer(alert, terms, labels, annotations)
    return [writer.group(name, make) for name, make in _MAKERS.items()]


class _Writer:
    def __init__(
        self,
        alert: Alert,
        terms: Terms,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
    ) -> None:
        self.story = alert.story
        self._alert = alert
        self._terms = terms
        self._fired = {"exp_labels": dict(labels), "exp_annotations": dict(annotations)}

    def steps(self, duration: Duration) -> int:
        return -(-duration.seconds // self.story.step.seconds)

    def group(self, name: str, make: "_Maker") -> dict[str, Any]:
        stretches, checks = make(self)
        # A heartbeat is silent when others fire, except where there is nothing at all.
        turned = self.story.heartbeat and bool(stretches)
        return {
            "name": f"{self._alert.name} {name}",
            # A moment less than a step, so that no sample stands at the older edge of a range:
            # that one counts before Prometheus 3, and no more since.
            "interval": f"{self.story.step.seconds - 1}s999ms",
            "input_series": [
                {
                    "series": _series(track, self._terms),
                    "values": _values(track, stretches, self.story.step),
                }
                for track in self.story.tracks
                if stretches
            ],
            "alert_rule_test": [
                {
                    "eval_time": f"{step * self.story.step.seconds}s",
                    "alertname": self._alert.name,
                    "exp_alerts": [self._fired] if fires is not turned else [],
                }
                for step, fires in checks
            ],
        }


_Made = tuple[list[Stretch], list[tuple[int, bool]]]
_Maker = Callable[[_Writer], _Made]


def _fires(w: _Writer) -> _Made:
    lead, after = w.steps(w.story.lead), w.steps(w.story.fires_after)
    checks = [(lead, False), (lead + max(0, after - 2), False), (lead + after, True)]
    return [("normal", lead), ("trouble", after + 2)], checks


def _almost(w: _Writer) -> _Made:
    lead, after = w.steps(w.story.lead), w.steps(w.story.fires_after)
    return [("normal", lead), ("almost", 2 * after)], _silent(lead, 2 * after)


def _short(w: _Writer) -> _Made:
    lead, brief = w.steps(w.story.lead), w.steps(w.story.brief)
    rest = 2 * w.steps(w.story.fires_after)
    checks = _silent(lead, brief + rest)
    return [("normal", lead), ("trouble", brief), ("cured", rest)], checks


def _idle(w: _Writer) -> _Made:
    lead, after = w.steps(w.story.lead), w.steps(w.story.fires_after)
    end = lead + 2 * after
    if w.story.fires_when_idle:
        return [("idle", end)], [(end, True)]
    return [("idle", end)], _silent(0, end)


def _missing(w: _Writer) -> _Made:
    end = w.steps(w.story.lead) + 2 * w.steps(w.story.fires_after)
    return [], [(end, True)] if w.story.fires_when_missing else _silent(0, end)


def _first(w: _Writer) -> _Made:
    lead, after = w.steps(w.story.lead), 2 * w.steps(w.story.fires_after)
    stretches = [("idle", lead), (_FIRST, 1), ("idle", after)]
    if w.story.fires_when_idle:
        return stretches, [(lead + 1 + after, True)]
    if w.story.fires_at_first:
        return stretches, [(lead + 1 + w.steps(w.story.fires_after), True)]
    return stretches, _silent(lead, after)


def _restarts(w: _Writer) -> _Made:
    lead, after = w.steps(w.story.lead), 2 * w.steps(w.story.fires_after)
    return [("normal", lead), (_RESTART, 1), ("normal", after)], _silent(lead, after)


def _ends(w: _Writer) -> _Made:
    lead, after = w.steps(w.story.lead), w.steps(w.story.fires_after)
    clears = w.steps(w.story.clears_after)
    checks = [(lead + after, True), (lead + after + 2 + clears, False)]
    return [("normal", lead), ("trouble", after + 2), ("normal", clears + 2)], checks


_MAKERS: dict[str, _Maker] = dict(
    zip(CASES, (_fires, _almost, _short, _idle, _missing, _first, _restarts, _ends), strict=True)
)


def _silent(begin: int, steps: int) -> list[tuple[int, bool]]:
    """Checks that nothing fires, spread over the steps, their end among them."""
    stride = max(1, steps // _CHECKS)
    return [(step, False) for step in range(begin + steps, begin, -stride)][::-1]


def _series(track: Track, terms: Terms) -> str:
    labels = {"job": terms.job, "instance": "main", **track.labels}
    pairs = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{terms.metric(track.metric)}{track.part}{{{pairs}}}"


def _values(track: Track, stretches: Sequence[Stretch], step: Duration) -> str:
    """promtool's short form of the samples: one at the beginning, and one after each step."""
    if track.dates:
        return " ".join(_dates(track, stretches, step.seconds))
    make = _counted if track.counts else _levels
    return " ".join(make(track, stretches))


def _counted(track: Track, stretches: Sequence[Stretch]) -> Iterator[str]:
    total = 0.0
    yield "0"
    for phase, steps in stretches:
        if phase == _RESTART:
            total = 0.0
            yield "0" + (f" 0x{steps - 1}" if steps > 1 else "")
            continue
        each = _rate(track, phase)
        if each is None:
            yield _gone(steps)
            continue
        yield f"{total + each:.15g}+{each:.15g}x{steps - 1}"
        total += each * steps


def _levels(track: Track, stretches: Sequence[Stretch]) -> Iterator[str]:
    first = _level(track, stretches[0][0])
    yield "_" if first is None else f"{first:.15g}"
    for phase, steps in stretches:
        level = _level(track, phase)
        yield _gone(steps) if level is None else f"{level:.15g}x{steps - 1}"


def _dates(track: Track, stretches: Sequence[Stretch], step_seconds: int) -> Iterator[str]:
    first = _level(track, stretches[0][0])
    yield "_" if first is None else f"{-first:.15g}"
    now_seconds = 0
    for phase, steps in stretches:
        level = _level(track, phase)
        if level is None:
            yield _gone(steps)
        else:
            yield f"{now_seconds + step_seconds - level:.15g}+{step_seconds}x{steps - 1}"
        now_seconds += steps * step_seconds


def _gone(steps: int) -> str:
    """No sample, of which Prometheus leaves a mark when a scrape brings the series no more."""
    return f"stale _x{steps - 1}" if steps > 1 else "stale"


def _rate(track: Track, phase: str) -> float | None:
    if phase == "idle":
        return 0.0
    if phase == _FIRST:
        return 1.0
    return _of_phase(track, phase)


def _level(track: Track, phase: str) -> float | None:
    """A gauge isn't there while its process restarts; nothing else is new to it."""
    if phase == _RESTART:
        return None
    return _of_phase(track, "normal" if phase in ("idle", _FIRST) else phase)


def _of_phase(track: Track, phase: str) -> float | None:
    value: Any = getattr(track, phase)
    return track.normal if value == "normal" else value


def story_errors(story: Story, pending: Duration) -> Iterator[str]:
    """What makes a story worthless as a test."""
    if story.brief.seconds >= story.fires_after.seconds:
        yield "what is brief is not shorter than what fires"
    if story.fires_after.seconds < pending.seconds:
        yield "it fires before the condition has held for as long as the rule asks"
    if not any(track.trouble != "normal" for track in story.tracks):
        yield "nothing differs in trouble"
    if not any(track.almost != "normal" for track in story.tracks):
        yield "nothing differs just under it"
