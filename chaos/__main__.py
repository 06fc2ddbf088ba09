"""`python -m chaos`: seeded faults under load, and what came of them."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from chaos.figures import Result, broken
from chaos.report import Report, keep_section, table
from chaos.run import SCENARIOS
from chaos.runner import Step, Task, kills_task, run_step, scenario_task, seed_task
from chaos.scenarios.away import AWAY_SECONDS
from exporter.cli.progress import progress_bar

RESULTS = Path(__file__).parent / "RESULTS.md"
# A run of this many takes a minute or two.
KILLS_PER_RUN = 25


@click.command()
@click.option("--seeds", default=200, show_default=True, help="How many seeds, from 1 on.")
@click.option("--seed", type=int, help="Only this seed, to replay it; prints its log.")
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), help="Only this long scenario.")
@click.option("--kills", type=int, help="So many kills of what tells people of alerts, alone.")
@click.option("--scenarios/--no-scenarios", default=True, help="With the long scenarios.")
@click.option("--jobs", default=2, show_default=True, help="How many seeds at a time.")
@click.option(
    "--away-seconds",
    default=AWAY_SECONDS,
    envvar="CHAOS_AWAY_SECONDS",
    show_envvar=True,
    show_default=True,
    help="How long the database stays away in the scenario `away`.",
)
@click.option("--report", is_flag=True, help="Write the tables to chaos/RESULTS.md.")
def main(
    *,
    seeds: int,
    seed: int | None,
    scenario: str | None,
    kills: int | None,
    scenarios: bool,
    jobs: int,
    away_seconds: float,
    report: bool,
) -> None:
    """Inject faults under load and compare the end with a model in memory.

    Without --seed, --scenario or --kills all long scenarios are run, and then the seeds.
    """
    if kills is not None:
        steps = [_kills(kills, seed, jobs)]
    elif seed is not None:
        steps = [Step([seed_task(seed)])]
    elif scenario:
        steps = [Step([scenario_task(scenario, away_seconds)])]
    else:
        numbered = Step([seed_task(number) for number in range(1, seeds + 1)], jobs)
        steps = _with_scenarios(numbered, away_seconds) if scenarios else [numbered]
    found = Report()
    _run(steps, found, verbose=seed is not None or scenario is not None)
    if report:
        keep_section(RESULTS, found.markdown(), is_kills=kills is not None)
    click.echo(f"{table(found.bounds())}\n\n{table(found.faults())}\n")
    for task, result in found.failed:
        click.echo(f"FAILED {task.name}: {_why(result)}", err=True)
        click.echo(f"  replay: {task.replay}\n  log: {task.log_path}", err=True)
    click.echo(found.line())
    sys.exit(0 if found.passed else 1)


def _with_scenarios(seeds: Step, away_seconds: float) -> list[Step]:
    """First those that measure, one by one; then the seeds, while elsewhere a database is away:
    that takes long and next to nothing of the machine.
    """
    away = scenario_task("away", away_seconds)
    alone = [scenario_task(name, away_seconds) for name in SCENARIOS if name != "away"]
    return [Step(alone), replace(seeds, beside=[away])]


def _kills(kills: int, seed: int | None, jobs: int) -> Step:
    """All of them in one run with that seed, or in several with seeds from 1 on."""
    if seed is not None:
        return Step([kills_task(seed, kills)])
    parts = [min(KILLS_PER_RUN, kills - done) for done in range(0, kills, KILLS_PER_RUN)]
    return Step([kills_task(number, part) for number, part in enumerate(parts, start=1)], jobs)


def _run(steps: list[Step], found: Report, *, verbose: bool) -> None:
    total = sum(len(step.tasks) + len(step.beside) for step in steps)
    done = 0
    with progress_bar("chaos") as show:

        def tell(task: Task, result: Result) -> None:
            nonlocal done
            done += 1
            found.add(task, result)
            show(done, total)
            if verbose:
                click.echo(result.log, err=True)
            elif not result.passed:
                click.echo(f"{task.name}: {_why(result)}", err=True)

        show(0, total)
        for step in steps:
            run_step(step, tell)


def _why(result: Result) -> str:
    """Which figures break their bounds."""
    return ", ".join(
        f"{name} is {result.figures[name]:g}, not {bound}"
        for name, bound in broken(result.figures).items()
    )


if __name__ == "__main__":
    main()
