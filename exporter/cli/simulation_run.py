"""A run of `simulate`: what may be sent where, and the sending."""

import asyncio
import contextlib
import ipaddress
import json
import math
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from exporter.cli.context import fail
from exporter.cli.http import base_url, tls_context
from exporter.cli.secrets import WEBHOOK_SECRET_FILE, find_keys
from exporter.settings import Settings
from exporter.simulation.model import Simulation
from exporter.simulation.request import STRIPE_PATH, Request, first_events
from exporter.simulation.sender import Sender

_REFRESH_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A simulation, and how much of it is sent how fast."""

    simulation: Simulation
    speed: float
    duration_seconds: float
    most_events: float
    only: str | None

    def requests(self) -> Iterator[Request]:
        """The requests to send."""
        made: Iterable[Request] = self.simulation.requests(self.duration_seconds)
        if self.only:
            made = (request for request in made if request.parts[0].source == self.only)
        return first_events(made, self.most_events)


def check_target(settings: Settings, simulation: Simulation, url: str, yes: bool) -> None:
    """Say what could do harm, and end the command unless that is meant."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"--url {url!r} isn't an address, as in http://127.0.0.1:9568.")
    dangers = []
    if not _is_loopback(parts.hostname):
        dangers.append(f"{url} is not on this machine")
    if not settings.development and (simulation.livemode or settings.livemodes[0]):
        dangers.append("the exporter is no development set-up, and counts what is sent as live")
    for danger in dangers:
        click.echo(f"billing-exporter: {danger}", err=True)
    if dangers and not yes:
        fail("nothing was sent. Simulated events can't be taken back; --yes sends them.")
    if simulation.livemode not in settings.livemodes:
        click.echo("The exporter counts the other mode: Stripe's events change nothing.", err=True)


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def write(settings: Settings, run: Run) -> None:
    """The requests on stdout, signed as of their simulated time if there is a secret."""
    secret = ""
    if not settings.development or (settings.data_dir / WEBHOOK_SECRET_FILE).exists():
        secret = find_keys(settings).stripe_webhook_secret.reveal()
    else:
        click.echo("There is no signing secret yet: the requests are not signed.", err=True)
    for request in run.requests():
        headers = {"Content-Type": request.content_type}
        if request.path == STRIPE_PATH and secret:
            moment = int(run.simulation.start_seconds + request.offset_seconds)
            headers["Stripe-Signature"] = request.signature(secret, moment)
        line = {
            "offset_seconds": round(request.offset_seconds, 6),
            "method": "POST",
            "path": request.path,
            "headers": headers,
            "body": request.body.decode(),
        }
        click.echo(json.dumps(line, ensure_ascii=False))


def send(settings: Settings, run: Run, url: str, connections: int) -> Sender:
    """Send it; returns the sender with its tally. Raises SendingError."""
    try:
        keys = find_keys(settings)
    except OSError as error:
        fail(
            f"there are no secrets in {settings.data_dir}: {error.strerror}. Start the exporter "
            "with `billing-exporter serve`, or name its folder with BILLING_DATA_DIR."
        )
    sender = Sender(
        url=url,
        key=keys.admin_key.reveal(),
        secret=keys.stripe_webhook_secret.reveal(),
        start_seconds=run.simulation.start_seconds,
        speed=run.speed,
        connections=connections,
        tls=tls_context(settings) if url == base_url(settings) else None,
    )
    uvloop.run(_until_done(sender, run))
    return sender


async def _until_done(sender: Sender, run: Run) -> None:
    """Send until the end or the first signal; a second signal ends it at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        sender.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    shown = asyncio.create_task(_show(sender, run))
    try:
        await sender.run(run.requests())
    finally:
        shown.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await shown


async def _show(sender: Sender, run: Run) -> None:
    """A progress bar on stderr, if that is a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn(run.simulation.scenario.name),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    by_events = not math.isinf(run.most_events)
    total = run.most_events if by_events else run.duration_seconds
    shown = None if math.isinf(total) else total
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task("", total=shown, told="")
        while True:
            tally = sender.tally
            told = f"{tally.events} events, {tally.repeats} repeats, {tally.resent} sent again"
            done = tally.events if by_events else sender.offset_seconds
            progress.update(task, completed=done, told=told)
            await asyncio.sleep(_REFRESH_SECONDS)
