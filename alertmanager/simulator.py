"""What Alertmanager would do with an alert, told from its configuration alone: who receives it, and
whether another alert keeps it quiet. It agrees with `amtool config routes test`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Labels = Mapping[str, str]

_MATCHER = re.compile(r'([A-Za-z_]\w*)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Matcher:
    """One condition on a label; one that is missing counts as empty."""

    label: str
    operator: str
    value: str

    def matches(self, labels: Labels) -> bool:
        """Whether the labels fulfil it; expressions must fit the whole value."""
        found = labels.get(self.label, "")
        if self.operator in ("=", "!="):
            fits = found == self.value
        else:
            fits = re.fullmatch(self.value, found) is not None
        return fits is not self.operator.startswith("!")


def read_matcher(text: str) -> Matcher:
    """The matcher that is written as in `severity="critical"`. Raises ValueError for another."""
    found = _MATCHER.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no matcher with its value in quotes.")
    return Matcher(found[1], found[2], re.sub(r"\\(.)", r"\1", found[3]))


@dataclass(frozen=True)
class Node:
    """A route with what is below it."""

    receiver: str
    matchers: tuple[Matcher, ...]
    proceeds: bool
    active: tuple[str, ...]
    routes: tuple["Node", ...]

    def leaves(self, labels: Labels) -> tuple["Node", ...]:
        """The routes that take an alert, in order; none if this one doesn't match it."""
        if not _fit(self.matchers, labels):
            return ()
        found: tuple[Node, ...] = ()
        for route in self.routes:
            taken = route.leaves(labels)
            found += taken
            if taken and not route.proceeds:
                break
        return found or (self,)


@dataclass(frozen=True)
class Rule:
    """An inhibition."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def keeps_quiet(self, labels: Labels, firing: Labels) -> bool:
        """Whether `firing` keeps the alert with these labels from being sent."""
        if not (_fit(self.target, labels) and _fit(self.source, firing)):
            return False
        # An alert that fits both sides never quiets another that does.
        if _fit(self.source, labels) and _fit(self.target, firing):
            return False
        return all(labels.get(name, "") == firing.get(name, "") for name in self.equal)


class Simulator:
    """Reads an alertmanager.yml, as it is parsed."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.tree = _node(config["route"])
        self.rules = tuple(
            Rule(
                _matchers(rule["source_matchers"]),
                _matchers(rule["target_matchers"]),
                tuple(rule["equal"]),
            )
            for rule in config["inhibit_rules"]
        )

    def receivers(self, labels: Labels, *, within_hours: bool = True) -> tuple[str, ...]:
        """Who receives the alert, in the order of the routes; outside of business hours those
        whose route is muted then do not.
        """
        leaves = self.tree.leaves(labels)
        return tuple(leaf.receiver for leaf in leaves if within_hours or not leaf.active)

    def is_inhibited(self, labels: Labels, firing: Iterable[Labels]) -> bool:
        """Whether one of the firing alerts keeps this one from being sent."""
        return any(rule.keeps_quiet(labels, other) for other in firing for rule in self.rules)


def _node(route: Mapping[str, Any]) -> Node:
    return Node(
        receiver=route["receiver"],
        matchers=_matchers(route.get("matchers", ())),
        proceeds=route.get("continue", False),
        active=tuple(route.get("active_time_intervals", ())),
        routes=tuple(_node(inner) for inner in route.get("routes", ())),
    )


def _matchers(texts: Iterable[str]) -> tuple[Matcher, ...]:
    return tuple(read_matcher(text) for text in texts)


def _fit(matchers: Iterable[Matcher], labels: Labels) -> bool:
    return all(matcher.matches(labels) for matcher in matchers)
