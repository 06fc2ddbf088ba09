"""`simulate`: realistic traffic to a running exporter, from a seed."""

import math
import sys
import time
from datetime import datetime

import click

from exporter.cli.context import OUTPUT, print_rows, read_settings
from exporter.cli.durations import Duration, Moment, Speed
from exporter.cli.http import base_url
from exporter.cli.simulation_report import print_report
from exporter.cli.simulation_run import Run, check_target, send, write
from exporter.settings import Settings
from exporter.simulation.deployment import Deployment
from exporter.simulation.model import GROWTH_PER_WEEK, Simulation
from exporter.simulation.scenarios import (
    INCIDENT_AFTER_SECONDS,
    INCIDENT_FOR_SECONDS,
    SCENARIOS,
    Incident,
)
from exporter.wiring import make_catalogue

_DURATION_SECONDS = 600.0
_REAL_RATE = 20.0
_RETENTION_MARGIN_DAYS = 5


@click.command()
@click.option(
    "--scenario",
    type=click.Choice(tuple(SCENARIOS)),
    metavar="NAME",
    default="steady",
    show_default=True,
    help="What goes wrong; see --list.",
)
@click.option("--list", "listing", is_flag=True, help="List the scenarios, and send nothing.")
@click.option("--seed", type=int, default=1, show_default=True, help="Decides every chance.")
@click.option("--start", type=Moment(), help="When it begins: a time, or -14d. [default: now]")
@click.option("--duration", type=Duration(), help="Simulated time. [default: 10m]")
@click.option("--events", type=click.IntRange(1), help="Stop after so many events.")
@click.option("--until-stopped", is_flag=True, help="Go on until Ctrl-C.")
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help="Mean events a simulated second. [default: 20 a real second; 1 with --speed max]",
)
@click.option(
    "--speed",
    type=Speed(),
    default="1",
    show_default=True,
    help="Simulated seconds in a real one, never ahead of the clock.",
)
@click.option(
    "--flat", is_flag=True, help="Without the rhythm of day and week, and without growth."
)
@click.option(
    "--organizations",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    help="How many customers there are at the start.",
)
@click.option(
    "--customers",
    metavar="NAME",
    default="",
    help="Have the same customers at the start as other runs of this name and seed.",
)
@click.option(
    "--incident-after",
    type=Duration(),
    default=INCIDENT_AFTER_SECONDS,
    help="When the incident begins. [default: 2m]",
)
@click.option(
    "--incident-for",
    type=Duration(),
    default=INCIDENT_FOR_SECONDS,
    help="How long it lasts. [default: 6m]",
)
@click.option(
    "--only", type=click.Choice(["app", "stripe"]), help="Send the app's events, or Stripe's."
)
@click.option(
    "--connections", type=click.IntRange(1, 1000), default=8, show_default=True, help="At once."
)
@click.option(
    "--livemode", is_flag=True, help="Stripe's events are of live mode, not of test mode."
)
@click.option("--url", help="The exporter's address. [default: where the settings say it listens]")
@click.option("--yes", is_flag=True, help="Send, whatever the exporter is used for.")
@click.option("--dry-run", is_flag=True, help="Write the requests to stdout, one a line.")
@OUTPUT
def simulate(
    *,
    scenario: str,
    listing: bool,
    seed: int,
    start: datetime | None,
    duration: float | None,
    events: int | None,
    until_stopped: bool,
    rate: float | None,
    speed: float,
    flat: bool,
    organizations: int,
    customers: str,
    incident_after: float,
    incident_for: float,
    only: str | None,
    connections: int,
    livemode: bool,
    url: str | None,
    yes: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Send the billing traffic of a simulated business to a running exporter: signed Stripe
    webhooks and the app's events, repeated and out of order as they come in reality.

    In the end it tells what was sent, and by how much the exporter's counters must have risen.
    Durations are like 90s, 10m, 2h or 14d. Equal seeds, scenarios, starts and volumes send the
    same bytes.
    """
    if listing:
        _list_scenarios(output)
        return
    if until_stopped and (duration or events):
        raise click.UsageError("--until-stopped goes with neither --duration nor --events.")
    if duration is None:
        duration = math.inf if until_stopped or events else _DURATION_SECONDS
    if start is None and speed != 1 and math.isinf(duration):
        raise click.UsageError("--speed needs --duration or --start.")
    settings = read_settings()
    if rate is None:
        rate = 1.0 if math.isinf(speed) else _REAL_RATE / speed
    simulation = Simulation(
        deployment=Deployment.of(
            make_catalogue(settings.config, settings.livemodes), settings.config, settings.livemodes
        ),
        start_seconds=_start_seconds(settings, start, duration, speed, sent=not dry_run),
        seed=seed,
        scenario=SCENARIOS[scenario],
        incident=Incident(incident_after, incident_for),
        events_per_second=rate,
        organizations=organizations,
        growth_per_week=0.0 if flat else GROWTH_PER_WEEK,
        rhythm=not flat,
        livemode=livemode,
        customers=customers,
    )
    run = Run(
        simulation=simulation,
        speed=speed,
        duration_seconds=duration,
        most_events=events or math.inf,
        only=only,
    )
    if dry_run:
        write(settings, run)
        return
    target = (url or base_url(settings)).rstrip("/")
    check_target(settings, simulation, target, yes)
    sender = send(settings, run, target, connections)
    print_report(run.simulation, sender.tally, sender.seconds, settings.config.namespace, output)
    sys.exit(1 if sender.tally.abandoned else 0)


def _start_seconds(
    settings: Settings, start: datetime | None, duration: float, speed: float, *, sent: bool
) -> float:
    """The given start, or one from which the simulation arrives at the present as it ends. What
    is `sent` may be no older than what the exporter takes.
    """
    now = time.time()
    lag = 0.0 if speed <= 1 else duration - duration / speed
    # To the millisecond, as the summary tells it, and never ahead.
    begin = int((now - lag) * 1000) / 1000 if start is None else start.timestamp()
    oldest_days = settings.config.id_retention_days - _RETENTION_MARGIN_DAYS
    if sent and not now - oldest_days * 86_400 < begin <= now:
        raise click.UsageError(
            f"It must begin within the last {oldest_days} days: the exporter takes no other "
            "events. Choose another --start, or a shorter --duration."
        )
    return begin


def _list_scenarios(output: str) -> None:
    rows = [
        {"name": one.name, "summary": one.summary, "differs": one.difference}
        for one in SCENARIOS.values()
    ]
    print_rows(rows, ("name", "summary", "differs"), output)
