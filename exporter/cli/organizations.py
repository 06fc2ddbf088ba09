"""`usage`, `quotas` and `customers`: what organisations use, may use, and who belongs to them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from exporter.catalogue.labels import RESOURCE_TYPE
from exporter.cli.context import OUTPUT, fail, print_json, read_settings
from exporter.cli.desk import Text, money, open_desk, print_table, short_time
from exporter.cli.durations import Moment
from exporter.domain.facts import customer_scope
from exporter.ledger.audit import os_actor
from exporter.ledger.organizations import (
    Interval,
    Range,
    clear_quota,
    map_customer,
    read_usage,
    set_quota,
)
from exporter.settings import Settings
from exporter.wiring import make_catalogue

_MOST_UNITS = 10**18
_LONGEST = timedelta(days=1100)
_FIRST_YEAR, _LAST_YEAR = 1970, 2999


@click.command()
@click.argument("organization", type=Text())
@click.option("--since", type=Moment(), help="Also what each day had since then, as in -14d.")
@click.option("--until", type=Moment(), help="Until then; now if left out.")
@click.option(
    "--by",
    "interval",
    type=click.Choice(["day", "hour"]),
    default="day",
    show_default=True,
    help="In UTC.",
)
@OUTPUT
def usage(
    organization: str,
    since: datetime | None,
    until: datetime | None,
    interval: Interval,
    output: str,
) -> None:
    """What an ORGANIZATION has used in its current period, by meter, against its quotas."""
    history = _range(since, until, interval)
    with open_desk(read_settings()) as desk:
        found = desk.ask(read_usage(organization, history))
    if found is None:
        fail(f"nothing is known of the organisation {organization!r}; it is from its first event.")
    if output == "json":
        print_json(found)
        return
    period = found["period"]
    click.echo(
        f"{organization}: plan {found['plan'] or 'none'}, period {short_time(period['start'])} "
        f"to {short_time(period['end'])}"
    )
    print_table(
        [_meter_row(meter) for meter in found["meters"]],
        ("meter", "used", "quota", "%", "level", "cost", "last used"),
        whole=("meter", "used", "quota"),
    )
    if history:
        click.echo()
        rows = [
            (short_time(row["start"]), row["meter"], row["quantity"], row["events"])
            for row in found["history"]["rows"]
        ]
        print_table(rows, (interval, "meter", "used", "events"))


@click.group()
def quotas() -> None:
    """Quotas of single organisations, in place of their plan's."""


@quotas.command("set")
@click.argument("organization", type=Text())
@click.argument("meter")
@click.argument("quota", metavar="UNITS|none")
@OUTPUT
def set_(organization: str, meter: str, quota: str, output: str) -> None:
    """Give an ORGANIZATION a quota of its own for a METER, or `none` at all. Alerts follow at
    once.
    """
    settings = read_settings()
    name, units = _meter(settings, meter), _units(quota)
    with open_desk(settings) as desk:
        outcome = desk.make(set_quota(organization, name, units, os_actor()))
    _tell(organization, name, outcome, output)
    if outcome == "set_early":
        click.echo(f"Nothing was known of {organization!r} so far: is it spelt right?", err=True)


@quotas.command()
@click.argument("organization", type=Text())
@click.argument("meter")
@OUTPUT
def clear(organization: str, meter: str, output: str) -> None:
    """Let the quota of the ORGANIZATION's plan hold again for a METER."""
    settings = read_settings()
    name = _meter(settings, meter)
    with open_desk(settings) as desk:
        outcome = desk.make(clear_quota(organization, name, os_actor()))
    if outcome == "unknown":
        fail(f"nothing is known of the organisation {organization!r}.")
    _tell(organization, name, outcome, output)


@click.group()
def customers() -> None:
    """Which customers belong to which organisation."""


@customers.command("map")
@click.argument("customer", type=Text())
@click.argument("organization", type=Text())
@click.option("--account", metavar="ID", help="Stripe's Connect account, if it isn't your own.")
@click.option("--test", "is_test", is_flag=True, help="Of test mode.")
@OUTPUT
def map_(customer: str, organization: str, account: str | None, is_test: bool, output: str) -> None:
    """Say that a CUSTOMER belongs to an ORGANIZATION. What it had as an organisation by itself
    moves there; from another organisation only its subscriptions do.
    """
    if account is not None and not re.fullmatch(r"acct_[A-Za-z0-9]{1,100}", account):
        raise click.UsageError("--account is an id as in acct_1Oabc.")
    scope = customer_scope(account, not is_test)
    with open_desk(read_settings()) as desk:
        outcome = desk.make(map_customer(scope, customer, organization, os_actor()))
    if output == "json":
        print_json(
            {
                "outcome": outcome,
                "scope": scope,
                "customerId": customer,
                "organizationId": organization,
            }
        )
    else:
        click.echo(f"{customer} {outcome} to {organization}")


def _tell(organization: str, meter: str, outcome: str, output: str) -> None:
    if output == "json":
        print_json({"outcome": outcome, "organizationId": organization, "meter": meter})
    else:
        click.echo(f"{organization} {meter} {outcome}")


def _meter(settings: Settings, text: str) -> str:
    meters = make_catalogue(settings.config, settings.livemodes).spellings(RESOURCE_TYPE)
    if (meter := meters.get(text.lower())) is None:
        known = ", ".join(sorted(set(meters.values())))
        raise click.UsageError(f"There is no meter {text!r}; there are {known}.")
    return meter


def _units(text: str) -> int | None:
    if text.lower() == "none":
        return None
    digits = text.replace("_", "")
    units = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else -1
    if not 0 <= units <= _MOST_UNITS:
        raise click.UsageError(f"{text!r} is no number of units, nor `none`.")
    return units


def _range(since: datetime | None, until: datetime | None, interval: Interval) -> Range | None:
    if since is None:
        if until is not None:
            raise click.UsageError("--until means nothing without --since.")
        return None
    until = until or datetime.now(UTC)
    if not all(_FIRST_YEAR <= moment.year <= _LAST_YEAR for moment in (since, until)):
        raise click.UsageError(f"Times are in the years {_FIRST_YEAR} to {_LAST_YEAR}.")
    if not timedelta() < until - since <= _LONGEST:
        raise click.UsageError(f"--since must be before --until, by {_LONGEST.days} days at most.")
    return Range(since, until, interval)


def _meter_row(meter: dict[str, Any]) -> tuple[object, ...]:
    quota = meter["quota"]
    currency = meter["currency"]
    cost = money(meter["costMinor"], currency, meter["decimals"]) if currency else None
    return (
        meter["meter"],
        meter["used"],
        f"{'none' if quota is None else quota}{' (own)' if meter['isOwnQuota'] else ''}",
        meter["percentage"],
        meter["level"],
        cost,
        short_time(meter["lastUsedAt"]),
    )
