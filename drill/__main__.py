"""`python -m drill`: every alert brought about for real, and what came of it."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

import click

from drill.acts import ACTS
from drill.figures import Outcome, line, table
from drill.plan import Act
from drill.run import play
from drill.waiting import Patience
from exporter.cli.progress import progress_bar


@click.command()
@click.option("--alert", "alerts", multiple=True, help="Only this alert; may be repeated.")
@click.option("--jobs", default=4, show_default=True, help="How many stacks at a time.")
def main(*, alerts: tuple[str, ...], jobs: int) -> None:
    """Bring every alert about on the real exporter, Prometheus and Alertmanager, read the messages
    that arrive, end the trouble, and wait for the message that says so.
    """
    for name in alerts:
        if not any(name in act.alerts for act in ACTS):
            raise click.UsageError(f"{name}: there is no such alert.")
    acts = [_only(act, alerts) for act in ACTS if not alerts or {*alerts} & {*act.alerts}]
    begun = time.monotonic()
    outcomes = _run(acts, jobs)
    click.echo(f"{table(outcomes)}\n")
    click.echo(line(outcomes, time.monotonic() - begun))
    sys.exit(1 if any(outcome.gaps for outcome in outcomes) else 0)


def _only(act: Act, alerts: tuple[str, ...]) -> Act:
    """The act, or only what brings these alerts about."""
    if not alerts:
        return act
    troubles = (
        replace(trouble, alerts=tuple(name for name in trouble.alerts if name in alerts))
        for trouble in act.troubles
    )
    return replace(act, troubles=tuple(trouble for trouble in troubles if trouble.alerts))


def _run(acts: list[Act], jobs: int) -> list[Outcome]:
    """Play them; Ctrl-C ends all of them in order."""
    patience = Patience()
    total = sum(len(act.alerts) for act in acts)
    outcomes: list[Outcome] = []
    with progress_bar("drill") as show, ThreadPoolExecutor(jobs) as pool:
        show(0, total)
        playing = {pool.submit(play, act, patience) for act in acts}
        try:
            for future in as_completed(playing):
                for outcome in future.result():
                    outcomes.append(outcome)
                    show(len(outcomes), total)
                    for gap in outcome.gaps:
                        click.echo(f"{outcome.alert}: {gap}", err=True)
        except KeyboardInterrupt:
            raise click.Abort from None
        finally:
            patience.call_off()
            for future in playing:
                future.cancel()
    order = [name for act in acts for name in act.alerts]
    return sorted(outcomes, key=lambda outcome: order.index(outcome.alert))


if __name__ == "__main__":
    main()
