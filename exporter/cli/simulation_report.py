"""What a simulation sent, and what the exporter has to show for it."""

from datetime import UTC, datetime
from typing import Any

import click

from exporter.cli.context import print_json, print_rows
from exporter.simulation.model import Simulation
from exporter.simulation.tally import Tally

_SENT = ("source", "event", "outcome", "unique", "repeats")
_EXPECTED = ("metric", "labels", "increase")


def print_report(
    simulation: Simulation, tally: Tally, seconds: float, namespace: str, output: str
) -> None:
    """The summary on stdout: what was sent by event, and the increases that must show."""
    prefix = f"{namespace}_" if namespace else ""
    expected = [{**row, "metric": prefix + row["metric"]} for row in tally.expected_rows()]
    figures = _figures(simulation, tally, seconds)
    if output == "json":
        print_json({**figures, "sent": tally.sent_rows(), "expected": expected})
    else:
        print_rows(tally.sent_rows(), _SENT, output)
        click.echo()
        print_rows(
            [{**row, "labels": _pairs(row["labels"])} for row in expected], _EXPECTED, output
        )
        click.echo()
        for name, figure in figures.items():
            click.echo(f"{name}: {_pairs(figure) if isinstance(figure, dict) else figure}")
    if tally.strangers:
        click.echo(
            f"The exporter knew {tally.strangers} of these events before: the same seed and start "
            "were sent to it already, and its counters rose by less.",
            err=True,
        )
    if tally.abandoned:
        click.echo(f"{tally.abandoned} requests were never answered.", err=True)


def _figures(simulation: Simulation, tally: Tally, seconds: float) -> dict[str, Any]:
    """`more_repeats_possible` is by how much more billing_events_repeated_total may have risen
    than is expected: a request that was sent again may have been taken the first time.
    """
    begun = datetime.fromtimestamp(simulation.start_seconds, UTC)
    return {
        "scenario": simulation.scenario.name,
        "seed": simulation.seed,
        "start": begun.isoformat(timespec="milliseconds"),
        "livemode": simulation.livemode,
        "requests": tally.requests,
        "body_bytes": tally.body_bytes,
        "events": tally.events,
        "repeats": tally.repeats,
        "seconds": round(seconds, 3),
        "events_per_second": round(tally.events / seconds, 1) if seconds else 0.0,
        "sent_again": tally.resent,
        "lost_connections": tally.lost,
        "abandoned": tally.abandoned,
        "answered": {name: number for name, number in sorted(tally.answered.items()) if number},
        "more_repeats_possible": dict(sorted(tally.unsure_events.items())),
    }


def _pairs(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items()) or "-"
