"""`make bench`: one run, one table."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import batches, rules, scrapes, stalls, starts, usage, webhooks
from bench.conditions import Conditions, InvalidRunError, open_server, read_conditions
from bench.findings import Findings
from bench.report import write_report
from bench.runner import MeasurementError, Runner
from history.scrapes import BackfillError

SECONDS, ROUNDS, EVENTS, HOURS = 4.0, 3, 10_000_000, rules.WHOLE_HOURS
PARTS: dict[str, ModuleType] = {
    "webhooks": webhooks,
    "batches": batches,
    "scrapes": scrapes,
    "stalls": stalls,
    "starts": starts,
    "rules": rules,
    "usage": usage,
}


def _chosen(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if unknown := [name for name in names if name not in PARTS]:
        raise click.BadParameter(f"{', '.join(unknown)}: the parts are {', '.join(PARTS)}.")
    return names or tuple(PARTS)


@click.command()
@click.option("--only", default="", envvar="ONLY", show_envvar=True, callback=_chosen)
@click.option("--seconds", default=SECONDS, envvar="BENCH_SECONDS", show_envvar=True)
@click.option("--rounds", default=ROUNDS, envvar="BENCH_ROUNDS", show_envvar=True)
@click.option("--events", default=EVENTS, envvar="BENCH_EVENTS", show_envvar=True)
@click.option("--hours", default=HOURS, envvar="BENCH_HOURS", show_envvar=True)
def main(only: tuple[str, ...], seconds: float, rounds: int, events: int, hours: int) -> None:
    """Measure, and print the tables and, as the last line, the figures as JSON.

    A run of all parts at full length also writes RESULTS.md and results.svg beside this file. Exit
    1 if a gate fails, or if the run is invalid, which then writes nothing.
    """
    try:
        conditions, findings = _measure(only, seconds, rounds, events, hours)
    except (InvalidRunError, MeasurementError, BackfillError, AssertionError) as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(1)
    faults = [fault for part in findings for fault in part.faults]
    gates = [gate for part in findings for gate in part.gates]
    kept = not faults and all(gate.holds or gate.aimed for gate in gates)
    lengths = zip((seconds, rounds, events, hours), (SECONDS, ROUNDS, EVENTS, HOURS), strict=True)
    whole = len(only) == len(PARTS) and all(given >= full for given, full in lengths)
    folder = Path(__file__).parent if whole and not faults else None
    click.echo(write_report(conditions, findings, folder))
    for fault in faults:
        click.echo(f"bench: invalid: {fault}", err=True)
    figures = {name: value for part in findings for name, value in part.figures.items()}
    click.echo(json.dumps({"valid": not faults, "gates_kept": kept, **figures}))
    sys.exit(0 if kept else 1)


def _measure(
    parts: tuple[str, ...], seconds: float, rounds: int, events: int, hours: int
) -> tuple[Conditions, list[Findings]]:
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with open_server() as (server, folder), progress:
        conditions = read_conditions(
            server.conninfo(), folder, f"{rounds} rounds, {seconds:g} s a measurement"
        )
        task = progress.add_task("bench", total=None)

        def step(what: str) -> None:
            progress.update(task, description=what, advance=1)

        runner = Runner(server, folder, seconds, rounds, events, hours, step)
        progress.update(task, total=sum(PARTS[part].steps(runner) for part in parts))
        measures: list[Callable[[Runner], Findings]] = [PARTS[part].measure for part in parts]
        return conditions, [measure(runner) for measure in measures]


if __name__ == "__main__":
    main()
