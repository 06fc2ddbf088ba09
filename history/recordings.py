"""What the recording rules would have recorded, evaluated for the past by promtool."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exporter.settings import Config
from history.prometheus import serving
from history.scrapes import promtool
from rules.build import rule_groups, terms_of
from rules.families import FAMILIES
from rules.promql import Recorded

# promtool makes a block of each rule and stretch: with its own two hours they are thousands.
_BLOCK = "54h"


def write_recordings(
    config: Config, start_seconds: int, end_seconds: int, scratch: Path, data: Path
) -> None:
    """Blocks in `data` with every series that the bundle records. A rule that reads what others
    recorded is evaluated after these, by a Prometheus that has their blocks.
    """
    for level, groups in enumerate(_levels(config)):
        file = scratch / f"recordings-{level}.rules.yml"
        # JSON is YAML, too.
        file.write_text(json.dumps({"groups": groups}), encoding="utf-8")
        with serving(scratch, data, {}) as url:
            promtool(
                f"--max-block-duration={_BLOCK}",
                "rules",
                f"--url={url}",
                f"--start={start_seconds}",
                f"--end={end_seconds}",
                f"--output-dir={data}",
                file,
            )


def _levels(config: Config) -> Iterator[list[dict[str, Any]]]:
    """The groups with their recording rules alone: first those that read metrics only."""
    terms = terms_of(config)
    depths = {
        recorded.recorded_name(terms): _depth(recorded)
        for family in FAMILIES
        for recorded in family.recordings
    }
    groups = rule_groups(config, terms)
    for depth in range(1 + max(depths.values())):
        chosen = [
            {**group, "rules": [rule for rule in group["rules"] if _is_of(rule, depth, depths)]}
            for group in groups
        ]
        yield [group for group in chosen if group["rules"]]


def _is_of(rule: dict[str, Any], depth: int, depths: dict[str, int]) -> bool:
    return "record" in rule and depths[rule["record"]] == depth


def _depth(recorded: Recorded) -> int:
    """How many recordings stand behind one another below it."""
    below = [value for value in recorded.query.given.values() if isinstance(value, Recorded)]
    return 1 + max(map(_depth, below)) if below else 0
