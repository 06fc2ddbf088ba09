"""Watching Prometheus evaluate rules: `watch`."""

import statistics
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import requests

from bench.runner import MeasurementError, Runner
from tests.support.scrape import parse

_CYCLE_SECONDS = 150.0
_LOOK_SECONDS = 0.5
# Prometheus looks each minute for blocks that it could merge, and then merges all of them: when it
# looks for the second time, the first is done.
_MERGES = "prometheus_tsdb_compactions_triggered_total"
_LOOKED = 2
_MERGING_SECONDS = 1800.0


@dataclass
class Evaluations:
    """How long each cycle of each group took, and each of its rules, in ms."""

    groups: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rules: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, group: dict[str, Any]) -> None:
        """Take an evaluation as Prometheus tells it."""
        self.groups[group["name"]].append(1000 * group["evaluationTime"])
        for rule in group["rules"]:
            took = self.rules[group["name"], rule["name"]]
            took.append(1000 * rule["evaluationTime"])

    @property
    def cycle_ms(self) -> float:
        """The whole bundle: the sum of the groups' means."""
        return sum(map(statistics.mean, self.groups.values()))

    def slowest_rule(self, group: str) -> tuple[str, float]:
        """The rule of a group that takes longest in the mean."""
        means = {
            name: statistics.mean(took) for (of, name), took in self.rules.items() if of == group
        }
        return max(means.items(), key=lambda item: item[1])


def wait_merged(url: str) -> None:
    """Wait until Prometheus has merged its blocks. Raises MeasurementError."""
    pause = threading.Event()
    deadline = time.monotonic() + _MERGING_SECONDS
    while own_metric(url, _MERGES) < _LOOKED:
        if time.monotonic() > deadline:
            raise MeasurementError(f"the blocks are not merged after {_MERGING_SECONDS:.0f} s")
        pause.wait(4 * _LOOK_SECONDS)


def watch(runner: Runner, url: str, wanted: int) -> Evaluations:
    """What so many more cycles of every group take, as they come. Raises MeasurementError."""
    evaluations = Evaluations()
    told = 0
    pause = threading.Event()
    last = {group["name"]: group["lastEvaluation"] for group in rule_groups(url)}
    deadline = time.monotonic() + wanted * _CYCLE_SECONDS
    while told < wanted:
        if time.monotonic() > deadline:
            raise MeasurementError(f"after {told} of {wanted} cycles no rules are evaluated")
        pause.wait(_LOOK_SECONDS)
        for group in rule_groups(url):
            name = group["name"]
            if group["lastEvaluation"] != last[name]:
                last[name] = group["lastEvaluation"]
                if len(evaluations.groups[name]) < wanted:
                    evaluations.add(group)
        done = min(len(evaluations.groups[name]) for name in last)
        for cycle in range(told, done):
            runner.step(f"rules: cycle {cycle + 1} of {wanted}")
        told = done
    return evaluations


def rule_groups(url: str) -> list[dict[str, Any]]:
    """The groups with what their last evaluation took, which is also what Prometheus has as
    prometheus_rule_group_last_duration_seconds.
    """
    answer = requests.get(f"{url}/api/v1/rules", timeout=30)
    found: list[dict[str, Any]] = answer.json()["data"]["groups"]
    return found


def own_metric(url: str, name: str) -> float:
    """The sum of one of Prometheus' own metrics, now."""
    return parse(requests.get(f"{url}/metrics", timeout=30).text).total(name)
