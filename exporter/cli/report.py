"""`report`: how the whole is, or what one organisation used and what that cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from exporter.cli.context import OUTPUT, fail, print_json, read_settings
from exporter.cli.desk import Desk, Text, money, open_desk, print_table, short_time
from exporter.cli.durations import Moment
from exporter.ledger.aggregates import read_aggregates
from exporter.ledger.organizations import read_report
from exporter.ledger.system_health import read_health

_DAYS = 30


@click.command()
@click.argument("organization", type=Text(), required=False)
@click.option("--since", type=Moment(), help="For an ORGANIZATION; 30 days ago if left out.")
@click.option("--until", type=Moment(), help="Until then; now if left out.")
@OUTPUT
def report(
    organization: str | None, since: datetime | None, until: datetime | None, output: str
) -> None:
    """How the system is and how its organisations are; with an ORGANIZATION, what that one used on
    each day, by meter, and what it cost.
    """
    if organization is None and (since or until):
        raise click.UsageError("--since and --until go with an ORGANIZATION.")
    with open_desk(read_settings()) as desk:
        if organization is None:
            _report_system(desk, output)
        else:
            end = until or datetime.now(UTC)
            _report_organization(desk, organization, since or end - timedelta(_DAYS), end, output)


def _report_system(desk: Desk, output: str) -> None:
    health, figures = desk.ask(read_health()).document, desk.ask(read_aggregates())
    if output == "json":
        print_json({"health": health, **figures})
        return
    score = "not known yet" if health["score"] is None else f"{health['score']} of 100"
    click.echo(f"health: {score}, {health['status']}")
    for reason in health["reasons"]:
        click.echo(f"  -{reason['points']} {reason['check']}: {reason['detail']}")
    click.echo()
    levels = ("none", "warning", "critical", "over")
    over = figures["overage"]["units"]
    print_table(
        [
            (meter, *(by_level.get(level, 0) for level in levels), over.get(meter, 0))
            for meter, by_level in figures["organizations"].items()
        ],
        ("organisations by meter", *levels, "units over"),
    )
    click.echo()
    print_table(
        [(one["type"], one["severity"], one["open"]) for one in figures["openAlerts"]],
        ("open alerts", "severity", "open"),
    )
    for currency, cost in figures["overage"]["cost"].items():
        click.echo(f"overage has cost {cost} {currency.upper()}")


def _report_organization(
    desk: Desk, organization: str, since: datetime, until: datetime, output: str
) -> None:
    if since >= until:
        raise click.UsageError("--until must be after --since.")
    found: dict[str, Any] | None = desk.ask(read_report(organization, since, until))
    if found is None:
        fail(f"nothing is known of the organisation {organization!r}; it is from its first event.")
    if output == "json":
        print_json(found)
        return
    click.echo(
        f"{organization}: plan {found['plan'] or 'none'}, {short_time(found['start'])} to "
        f"{short_time(found['end'])}"
    )
    print_table(
        [(one["meter"], one["quantity"], one["events"], _cost(one)) for one in found["totals"]],
        ("meter", "used", "events", "cost"),
    )
    click.echo()
    print_table(
        [
            (short_time(day["start"])[:10], day["meter"], day["quantity"], day["events"])
            for day in found["days"]
        ],
        ("day", "meter", "used", "events"),
    )


def _cost(total: dict[str, Any]) -> str:
    if total["currency"] is None:
        return ""
    return money(total["costMinor"], total["currency"], total["decimals"])
