"""All results as one: tables for people, and figures by name."""

import json
import os
import platform
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from chaos.figures import BOUNDS, Figures, Result, broken, merge
from chaos.runner import Task

_ROW = "| {} |"
_HEAD = """# What the last `make chaos` found

Written by the command; docs/chaos.md tells what the words mean.

## Seeds and scenarios

"""
_KILLS_HEAD = "\n## Kills (`make chaos KILLS=500`)\n\n"


@dataclass
class Report:
    """What was run so far. `failed` are the runs with a figure that breaks its bound."""

    figures: Figures = field(default_factory=dict)
    injected: Counter[str] = field(default_factory=Counter)
    broken_by: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, float] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[Task, Result]] = field(default_factory=list)

    def add(self, task: Task, result: Result) -> None:
        """Take in a run."""
        merge(self.figures, result.figures)
        self.injected.update(result.injected)
        for kind, seconds in result.recoveries.items():
            self.recoveries[kind] = max(self.recoveries.get(kind, 0.0), seconds)
        if result.not_run:
            self.not_run[task.name] = result.not_run
        if not result.passed:
            self.failed.append((task, result))
            self.broken_by.update(result.injected.keys())

    @property
    def passed(self) -> bool:
        return not self.failed

    def faults(self) -> list[tuple[str, ...]]:
        """A row a kind of fault: how often, in how many failed runs, the longest recovery."""
        rows: list[tuple[str, ...]] = [("fault", "injected", "in failed runs", "longest recovery")]
        for kind, number in sorted(self.injected.items()):
            seconds = self.recoveries.get(kind)
            longest = "" if seconds is None else f"{seconds:.2f} s"
            rows.append((kind, str(number), str(self.broken_by[kind]), longest))
        rows += [(kind, reason, "", "") for kind, reason in sorted(self.not_run.items())]
        return rows

    def bounds(self) -> list[tuple[str, ...]]:
        """A row a figure: its value and the bound, then those that have none."""
        rows: list[tuple[str, ...]] = [("figure", "value", "bound", "")]
        wrong = broken(self.figures)
        for name in (*BOUNDS, *sorted(self.figures.keys() - BOUNDS.keys())):
            if name not in self.figures:
                continue
            bound = str(BOUNDS[name]) if name in BOUNDS else ""
            rows.append((name, show(self.figures[name]), bound, "BROKEN" if name in wrong else ""))
        return rows

    def line(self) -> str:
        """The figures by name, as JSON."""
        figures = {
            name: int(value) if value == int(value) else round(value, 3)
            for name, value in sorted(self.figures.items())
        }
        failed = [task.name for task, _ in self.failed]
        return json.dumps(figures | {"failed": failed, "not_run": sorted(self.not_run)})

    def markdown(self) -> str:
        """A section of RESULTS.md, without its head."""
        where = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
        day = datetime.now(UTC).date().isoformat()
        return f"{day}, {where}.\n\n{table(self.bounds())}\n\n{table(self.faults())}\n"


def keep_section(results: Path, section: str, *, is_kills: bool) -> None:
    """Write one of the two sections of the file, and keep the other."""
    text = results.read_text() if results.exists() else _HEAD
    seeds, _, kills = text.removeprefix(_HEAD).partition(_KILLS_HEAD)
    if is_kills:
        kills = section
    else:
        seeds = section
    results.write_text(_HEAD + seeds + (_KILLS_HEAD + kills if kills else ""))


def show(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as Markdown, readable as it is; the first is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        _ROW.format(" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
        for row in rows
    ]
    lines.insert(1, _ROW.format(" | ".join("-" * width for width in widths)))
    return "\n".join(lines)
