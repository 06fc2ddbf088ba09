"""`alerts list`, `show`, `ack`, `unack` and `resolve`: the alerts about organisations."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click

from exporter.cli.context import OUTPUT, fail, print_json, read_settings
from exporter.cli.desk import LONGEST_TEXT, Desk, Text, age, open_desk, print_table, short_time
from exporter.cli.durations import Duration, Moment
from exporter.ledger.audit import os_actor
from exporter.ledger.billing_alerts import (
    MOST_ALERTS,
    SEVERITIES,
    STATUSES,
    Cursor,
    Filter,
    Status,
    acknowledge,
    find_alert,
    list_alerts,
    resolve,
    unacknowledge,
)
from exporter.ledger.questions import Change

_GOOD = {"acknowledged", "renewed", "unchanged", "unacknowledged", "resolved"}
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
_IDS = click.argument("ids", metavar="ID...", type=click.UUID, nargs=-1, required=True)


@click.command("list")
@click.option("--organization", metavar="ID", type=Text(), help="Of this organisation alone.")
@click.option("--type", "type_", metavar="TYPE", type=Text(), help="As in overage_detected.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Of this severity.")
@click.option("--meter", type=Text(), help="About this meter.")
@click.option(
    "--status",
    type=click.Choice([*STATUSES, "any"]),
    default="active",
    show_default=True,
    help="active: those that are not resolved.",
)
@click.option("--since", type=Moment(), help="Raised since this time, as in -14d.")
@click.option("--until", type=Moment(), help="Raised before this time.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_ALERTS),
    default=50,
    show_default=True,
    help="How many at most.",
)
@click.option("--cursor", metavar="TEXT", help="Where the list before this one ended.")
@OUTPUT
def list_(
    *,
    organization: str | None,
    type_: str | None,
    severity: str | None,
    meter: str | None,
    status: Status | str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: str | None,
    output: str,
) -> None:
    """List alerts, the newest first. What it ends with tells how to see more."""
    wanted = next((one for one in STATUSES if one == status), None)
    for name, moment in (("--since", since), ("--until", until)):
        if moment and not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise click.UsageError(f"{name} is outside the years {_FIRST_YEAR} to {_LAST_YEAR}.")
    which = Filter(organization, type_, severity, meter, wanted, since, until)
    with open_desk(read_settings()) as desk:
        page = desk.ask(list_alerts(which, limit, _read_cursor(cursor)))
    if output == "json":
        print_json({"alerts": page.alerts, "next": page.next})
        return
    columns = ("id", "severity", "status", "age", "organization", "title")
    rows = [
        (
            alert["id"],
            alert["severity"],
            alert["status"],
            age(alert["createdAt"]),
            alert["organizationId"],
            alert["title"],
        )
        for alert in page.alerts
    ]
    print_table(rows, columns, whole=columns[:4])
    if page.next:
        click.echo(f"There are more: --cursor {page.next}", err=True)


@click.command()
@click.argument("alert_id", metavar="ID", type=click.UUID)
@OUTPUT
def show(alert_id: UUID, output: str) -> None:
    """Show the alert ID, and all that happened to it."""
    with open_desk(read_settings()) as desk:
        alert = _find(desk, alert_id)
    if output == "json":
        print_json(alert)
        return
    click.echo(f"{alert['title']} ({alert['severity']}, {alert['status']})")
    click.echo(alert["message"])
    shown = ("organizationId", "meter", "type", "acknowledgedBy", "acknowledgedUntil", "note")
    for name in (*shown, "resolvedBy", "resolution"):
        if alert[name] is not None:
            click.echo(f"  {name}: {alert[name]}")
    rows = [
        (short_time(one["at"]), one["transition"], one["severity"], one["actor"], one["note"])
        for one in alert["transitions"]
    ]
    print_table(rows, ("at", "transition", "severity", "by", "note"))


@click.command()
@_IDS
@click.option("--note", type=Text(LONGEST_TEXT), help="What is being done about it.")
@click.option("--for", "for_seconds", type=Duration(), help="Ends it by itself, as in 2h.")
@click.option("--until", type=Moment(), help="The same, as a time.")
@click.option("--take-over", is_flag=True, help="Even if somebody else looks after it.")
@OUTPUT
def ack(
    *,
    ids: tuple[UUID, ...],
    note: str | None,
    for_seconds: float | None,
    until: datetime | None,
    take_over: bool,
    output: str,
) -> None:
    """Say that you look after the alerts; it silences them in Alertmanager."""
    if for_seconds is not None and until is not None:
        raise click.UsageError("Give --for or --until, not both.")
    if for_seconds is not None:
        until = _later(for_seconds)
    if until is not None and not datetime.now(UTC) < until < datetime(_LAST_YEAR, 1, 1, tzinfo=UTC):
        raise click.UsageError("--for or --until is no time that is to come.")
    actor = os_actor()
    _change(ids, lambda id_: acknowledge(id_, actor, note, until, take_over=take_over), output)


@click.command()
@_IDS
@click.option("--note", type=Text(LONGEST_TEXT), help="Why.")
@OUTPUT
def unack(ids: tuple[UUID, ...], note: str | None, output: str) -> None:
    """Say that nobody looks after the alerts any more."""
    actor = os_actor()
    _change(ids, lambda id_: unacknowledge(id_, actor, note), output)


@click.command("resolve")
@_IDS
@click.option("--reason", type=Text(LONGEST_TEXT), required=True, help="The history keeps it.")
@OUTPUT
def resolve_(ids: tuple[UUID, ...], reason: str, output: str) -> None:
    """End the alerts. While its cause goes on, one is raised again only when it gets worse."""
    actor = os_actor()
    _change(ids, lambda id_: resolve(id_, actor, reason), output)


COMMANDS = (list_, show, ack, unack, resolve_)


def _change(ids: tuple[UUID, ...], change_of: Callable[[UUID], Change], output: str) -> None:
    """Make the change of each; exit 1 if one of them was refused."""
    with open_desk(read_settings()) as desk:
        rows = [{"id": str(id_), "outcome": desk.make(change_of(id_))} for id_ in ids]
    if output == "json":
        print_json(rows)
    else:
        for row in rows:
            click.echo(f"{row['id']} {row['outcome']}")
    if any(row["outcome"] not in _GOOD for row in rows):
        click.echo("`billing-exporter alerts show ID` tells how it stands.", err=True)
        sys.exit(1)


def _find(desk: Desk, alert_id: UUID) -> dict[str, Any]:
    alert = desk.ask(find_alert(alert_id))
    if alert is None:
        fail(f"there is no alert {alert_id}. `billing-exporter alerts list` shows them.")
    return alert


def _later(seconds: float) -> datetime:
    try:
        return datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        raise click.UsageError("--for is too long.") from None


def _read_cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        return Cursor.read(text)
    except ValueError:
        raise click.UsageError("--cursor isn't one that a list ended with.") from None
