"""`python -m fuzz`: everything for so many minutes; exit 1 if anything was found."""

import random
import sys
import tempfile
import time
from pathlib import Path

import click

from fuzz.guided import SHARES, FuzzerMissingError, Guided, demand_atheris, fuzz_target
from fuzz.report import print_report
from fuzz.routes import Routes, fuzz_routes, fuzzed_exporter, replay
from fuzz.targets import opened_target

CRASHES = Path(__file__).parent / "crashes"
# The routes' part of the time.
_ROUTES_SHARE = 0.5
_TELL_EVERY_SECONDS = 2.0


class _Line:
    """A line of progress on stderr: over the last one on a terminal, else one now and then."""

    def __init__(self, total_seconds: float) -> None:
        self._begun = self._told = time.monotonic()
        self._total_seconds = total_seconds

    def __call__(self, what: str) -> None:
        now = time.monotonic()
        on_terminal = sys.stderr.isatty()
        if now - self._told >= (_TELL_EVERY_SECONDS if on_terminal else 15 * _TELL_EVERY_SECONDS):
            self._told = now
            line = f"fuzz: {now - self._begun:.0f} of {self._total_seconds:.0f} s; {what}"
            click.echo(f"\r\033[K{line}" if on_terminal else line, err=True, nl=not on_terminal)


@click.command()
@click.option("--minutes", default=20.0, show_default=True, help="For how long, in total.")
@click.option("--seed", type=int, help="Repeats the choices of another run.")
@click.option("--routes-only", is_flag=True, help="Leave out what needs atheris.")
@click.option("--replay", "file", type=click.Path(exists=True, path_type=Path))
def main(minutes: float, seed: int | None, routes_only: bool, file: Path | None) -> None:
    """Fuzz decoding, translation and routes; what breaks them is kept in fuzz/crashes."""
    CRASHES.mkdir(exist_ok=True)
    if file is not None:
        _replay(file)
        return
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    seconds = minutes * 60
    guided_seconds = 0.0 if routes_only else seconds * (1 - _ROUTES_SHARE)
    try:
        if not routes_only:
            demand_atheris()
        guided, routes = _fuzz(guided_seconds, seconds - guided_seconds, seed)
    except FuzzerMissingError as error:
        raise click.ClickException(str(error)) from None
    for reason in routes.reasons[:20]:
        click.echo(reason, err=True)
    sys.exit(0 if print_report(guided, routes, seed) else 1)


def _fuzz(guided_seconds: float, routes_seconds: float, seed: int) -> tuple[list[Guided], Routes]:
    tell = _Line(guided_seconds + routes_seconds)
    guided: list[Guided] = []
    if guided_seconds:
        for name, share in SHARES.items():
            share_seconds = guided_seconds * share / sum(SHARES.values())
            guided.append(fuzz_target(name, share_seconds, seed, CRASHES, tell))
    with fuzzed_exporter() as (exporter, database_url):
        return guided, fuzz_routes(
            exporter, database_url, seconds=routes_seconds, seed=seed, crashes=CRASHES, tell=tell
        )


def _replay(file: Path) -> None:
    """Try one kept input again, and say what comes of it."""
    name = file.name.partition("-")[0]
    if name == "routes":
        with fuzzed_exporter() as (exporter, _):
            made = replay(exporter, file.read_bytes())
        for _, answer in made.answers:
            click.echo(f"{answer.status} {answer.body[:500].decode('utf-8', 'replace')}")
        click.echo(made.fault or "no fault")
        sys.exit(made.fault is not None)
    with tempfile.TemporaryDirectory() as folder, opened_target(name, Path(folder)) as target:
        target(file.read_bytes())
    click.echo("no fault")


if __name__ == "__main__":
    main()
