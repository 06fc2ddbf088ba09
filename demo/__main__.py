"""`python -m demo`: everything together, until Ctrl-C."""

import contextlib
import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click

from demo.addresses import Addresses, DemoError
from demo.business import Scale
from demo.deeds import look
from demo.files import PROJECT, Place
from demo.interrupts import Interrupts
from demo.mails import MailBox
from demo.notice import notice
from demo.past import Past
from demo.program import Program
from demo.stack import RETENTION_DAYS, Stack
from exporter.cli.durations import Duration
from exporter.errors import BillingError
from exporter.ledger.locks import FileLock
from exporter.simulation.scenarios import SCENARIOS
from history.scrapes import BackfillError
from tests.support.tools import ToolMissingError

_LOOK_SECONDS = 2.0
_LEAST_PAST_SECONDS = 3600


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=PROJECT / ".demo",
    help="Where everything is kept between two starts. [default: .demo]",
)
@click.option("--free-ports", is_flag=True, help="Listen on no usual port.")
@click.option(
    "--past", type=Duration(), default="14d", show_default=True, help="How long ago it began."
)
@click.option("--rate", default=3.0, show_default=True, help="Mean events a second.")
@click.option("--customers", default=1_000, show_default=True, help="How many there are.")
@click.option(
    "--scenario",
    type=click.Choice(tuple(SCENARIOS)),
    metavar="NAME",
    default="steady",
    help="What goes on; `billing-exporter simulate --list` shows them.",
)
@click.option("--coarse", is_flag=True, help="Write few scrapes of the past: that is quick.")
@click.option("--grafana", envvar="GRAFANA_URL", default="", help="Your Grafana, if there is one.")
def main(
    *,
    folder: Path,
    free_ports: bool,
    past: float,
    rate: float,
    customers: int,
    scenario: str,
    coarse: bool,
    grafana: str,
) -> None:
    """Run the exporter with its PostgreSQL, Prometheus, Alertmanager, a sink for mails and
    simulated traffic, with weeks behind them, until Ctrl-C.
    """
    if not _LEAST_PAST_SECONDS <= past <= RETENTION_DAYS * 86_400:
        raise click.UsageError(f"--past must be one hour to {RETENTION_DAYS} days.")
    scale = Scale(
        past_seconds=int(past),
        events_per_second=rate,
        customers=customers,
        scenario=scenario,
        coarse=coarse,
    )
    addresses = Addresses.free() if free_ports else Addresses.usual_or_free()
    try:
        with Interrupts() as interrupts, contextlib.suppress(KeyboardInterrupt):
            stack = Stack(Place(folder.absolute()), addresses, interrupts)
            _run(stack, scale, grafana)
    except (BillingError, BackfillError, ToolMissingError, AssertionError, OSError) as error:
        click.echo(f"demo: {error}", err=True)
        sys.exit(1)
    click.echo("demo: everything has ended", err=True)


def _run(stack: Stack, scale: Scale, grafana: str) -> None:
    """Start all of it, and look after it."""
    place = stack.place
    place.folder.mkdir(parents=True, exist_ok=True)
    past = Past(stack, scale, _tell)
    with contextlib.ExitStack() as started:
        lock = FileLock(place.folder / "demo.lock")
        started.callback(lock.close)
        if not lock.try_own():
            raise DemoError(f"another demo runs in {place.folder}. End it, or use --folder.")
        place.write(stack.addresses)
        past.bring()
        started.enter_context(MailBox(stack.addresses.mail, place.mails, _tell_mail))
        programs = [stack.alertmanager(), stack.exporter(), stack.prometheus()]
        for program in programs:
            started.enter_context(program)
        programs.append(started.enter_context(stack.traffic(scale)))
        started.callback(place.running.unlink, missing_ok=True)
        place.running.write_text(json.dumps(_running(stack, programs)), encoding="utf-8")
        click.echo(notice(stack, grafana))
        _look_after(stack, past, programs)


def _look_after(stack: Stack, past: Past, programs: Sequence[Program]) -> NoReturn:
    """Until a signal comes. Raises DemoError when a program ends by itself."""
    never = threading.Event()
    while True:
        never.wait(_LOOK_SECONDS)
        past.note_end()
        look(stack)
        for program in programs:
            program.check()


def _running(stack: Stack, programs: Sequence[Program]) -> dict[str, Any]:
    pids = {program.name: program.pid for program in programs}
    return {"addresses": asdict(stack.addresses), "pids": {"demo": os.getpid(), **pids}}


def _tell(what: str) -> None:
    click.echo(f"demo: {what}", err=True)


def _tell_mail(recipients: str, subject: str, file: Path) -> None:
    click.echo(f"mail to {recipients}: {subject} ({file.name})")


if __name__ == "__main__":
    main()
