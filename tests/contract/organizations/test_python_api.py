"""BillingMonitor, in this process, against an exporter in another one."""

import json
import random
import uuid
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from exporter.api import Alert, BillingMonitor
from exporter.ledger.audit import os_actor
from exporter.ledger.migrate import migrate
from tests.contract.keys.conftest import Served
from tests.support.keys import audited
from tests.support.organizations import alerts_of, call, new_name, raise_warning, use
from tests.support.waiting import wait_until
from tests.support.writing import ask

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def monitor(served: Served) -> Iterator[BillingMonitor]:
    """It looks often; stopped at the end."""
    with BillingMonitor(served.conninfo, poll_seconds=0.05) as made:
        yield made


def plain(value: Any) -> Any:
    """What a program gets that reads the JSON of it."""
    return json.loads(msgspec.json.encode(value))


def test_it_tells_what_the_http_api_tells(served: Served, monitor: BillingMonitor) -> None:
    organization, id_ = raise_warning(served.exporter)
    path = f"/api/v1/organizations/{organization}/usage"
    metrics = monitor.get_usage_metrics(organization)
    told_by_http = call(served.exporter, "GET", path)
    assert told_by_http["asOf"] >= plain(metrics)["asOf"]
    assert plain(metrics) | {"asOf": told_by_http["asOf"]} == told_by_http
    (meter,) = [meter for meter in metrics.meters if meter.meter == "fix"]
    assert (meter.used, meter.quota, meter.percentage, meter.level) == (85, 100, 85, "warning")

    (alert,) = monitor.get_active_alerts(organization)
    (told,) = alerts_of(served.exporter, organization)
    assert {name: plain(alert)[name] for name in told} == told
    assert str(alert.id) == id_
    assert alert.action_required is False
    assert id_ in {str(one.id) for one in monitor.get_active_alerts()}

    report = monitor.generate_usage_report(
        organization, metrics.period.start, metrics.period.end + timedelta(days=1)
    )
    assert [(one.meter, one.quantity, one.events) for one in report.totals] == [("fix", 85, 1)]
    assert [(day.meter, day.quantity) for day in report.days] == [("fix", 85)]
    assert report.days[0].start.hour == 0

    assert monitor.resolve_alert(id_, "Resolved by admin") is True
    assert monitor.resolve_alert(alert.id, "Again") is False
    assert monitor.get_active_alerts(organization) == []
    assert (os_actor(), id_) in [row[:2] for row in audited(served.conninfo, "alert.resolve")]


def test_it_tells_how_the_whole_is(monitor: BillingMonitor) -> None:
    wait_until(lambda: monitor.get_billing_health().score is not None, 40, "checks are made")
    health = monitor.get_billing_health()
    assert health.status in {"healthy", "degraded"}
    assert "database" in {check.name for check in health.checks}


def test_what_is_not_there_is_a_lookup_error(monitor: BillingMonitor) -> None:
    nobody = new_name("nobody")
    for ask_for in (
        lambda: monitor.get_usage_metrics(nobody),
        lambda: monitor.generate_usage_report(nobody, JANUARY, JANUARY + timedelta(days=1)),
        lambda: monitor.resolve_alert(uuid.uuid4(), "x"),
        lambda: monitor.resolve_alert("nothing", "x"),
    ):
        with pytest.raises(LookupError):
            ask_for()
    assert monitor.get_active_alerts(nobody) == []
    for start, end in ((JANUARY, JANUARY), (JANUARY.replace(tzinfo=None), JANUARY)):
        with pytest.raises(ValueError, match="end"):
            monitor.generate_usage_report(nobody, start, end)


def test_it_hears_of_everything_once_and_in_order(served: Served, monitor: BillingMonitor) -> None:
    _, before = raise_warning(served.exporter)
    heard: list[Alert] = []

    def fail(_: Alert) -> None:
        raise RuntimeError("a callback that fails")

    monitor.on_alert(fail)
    monitor.on_alert(heard.append)
    monitor.start_monitoring()
    monitor.start_monitoring()
    organization, id_ = raise_warning(served.exporter)
    use(served.exporter, organization, 12)
    monitor.resolve_alert(id_, "Known.")
    _, last = raise_warning(served.exporter)
    wait_until(lambda: str(heard[-1].id) == last if heard else False, 10, "the last one is heard")
    told = [one.transition for one in heard if str(one.id) == id_]
    assert told == ["raised", "escalated", "resolved"]
    assert before not in {str(one.id) for one in heard}
    assert heard[-1].title == "Usage warning: fix"
    monitor.stop_monitoring()
    count = len(heard)
    raise_warning(served.exporter)
    # Begun again, it tells of what happens from then on.
    monitor.start_monitoring()
    _, after = raise_warning(served.exporter)
    wait_until(lambda: len(heard) > count, 10, "it hears again")
    assert [str(one.id) for one in heard[count:]] == [after]


def test_it_hears_of_what_is_committed_after_something_later(
    served: Served, monitor: BillingMonitor
) -> None:
    heard: list[str] = []
    monitor.on_alert(lambda alert: heard.append(alert.organization_id))
    insert = (
        "INSERT INTO shared.billing_alerts (organization_id, type, severity, title, message, "
        "created_at, updated_at) VALUES (%s, 'system_error', 'low', 't', 'm', "
        "clock_timestamp(), clock_timestamp())"
    )
    early, late, at_start = new_name("early"), new_name("late"), new_name("start")
    with (
        psycopg.connect(served.conninfo) as first,
        psycopg.connect(served.conninfo) as second,
    ):
        first.execute(insert.encode(), [at_start])
        ask(served.conninfo, insert, new_name("before"))
        monitor.start_monitoring()
        second.execute(insert.encode(), [early])
        ask(served.conninfo, insert, late)
        wait_until(lambda: late in heard, 10, "the later one is heard")
        second.commit()
        wait_until(lambda: early in heard, 10, "the earlier one is heard")
        first.commit()
        wait_until(lambda: at_start in heard, 10, "the one from before the start is heard")
    assert heard == [late, early, at_start]


def test_it_goes_on_when_the_database_is_back(served: Served, monitor: BillingMonitor) -> None:
    heard: list[Alert] = []
    monitor.on_alert(heard.append)
    monitor.start_monitoring()
    good, monitor._database_url = monitor._database_url, "host=127.0.0.1 port=1 dbname=x user=x"
    _, id_ = raise_warning(served.exporter)
    assert not heard
    monitor._database_url = good
    wait_until(lambda: heard, 10, "it hears of what happened meanwhile")
    assert [str(one.id) for one in heard] == [id_]


def month_of(hour: datetime, anchor: datetime | None) -> object:
    """The period that holds an hour: a month of its own kind before the anchor and after it."""
    if anchor is None or hour < anchor:
        return hour.year, hour.month
    months = (hour.year - anchor.year) * 12 + hour.month - anchor.month
    return "anchored", months - (hour.day < anchor.day)


def price(units: int) -> int:
    """100 for nothing, then 2 each, beyond 500 one each."""
    return max(0, min(units, 500) - 100) * 2 + max(0, units - 500)


@pytest.mark.parametrize("anchor", [None, datetime(2026, 2, 10, tzinfo=UTC)])
def test_the_cost_of_any_range_is_what_it_added_to_its_periods(
    database_url: str, anchor: datetime | None
) -> None:
    chance = random.Random(7)
    migrate(database_url)
    ask(
        database_url,
        "INSERT INTO shared.plan_meters (plan, meter, quota, currency, decimals, tier_units, "
        "tier_prices) VALUES ('pro', 'fix', 100, 'eur', 2, '{100,500}', '{2,1}')",
    )
    ask(
        database_url,
        "INSERT INTO shared.organizations (organization_id, plan, anchor_start, anchor_end, "
        "period_start, period_end) VALUES ('acme', 'pro', %s::timestamptz, "
        "%s::timestamptz + interval '28 days', '2026-01-01Z', '2026-02-01Z')",
        anchor,
        anchor,
    )
    used = {
        JANUARY + timedelta(hours=chance.randrange(150 * 24)): chance.randrange(1, 90)
        for _ in range(60)
    }
    for hour, quantity in used.items():
        ask(
            database_url,
            "INSERT INTO shared.api_usage_logs VALUES ('acme', 'fix', %s, %s, 1, now())",
            hour,
            quantity,
        )
    monitor = BillingMonitor(database_url)
    for _ in range(25):
        first, second = sorted(chance.sample(range(150 * 24), 2))
        start, end = JANUARY + timedelta(hours=first), JANUARY + timedelta(hours=second)
        before: dict[object, int] = defaultdict(int)
        until: dict[object, int] = defaultdict(int)
        for hour, quantity in used.items():
            before[month_of(hour, anchor)] += quantity if hour < start else 0
            until[month_of(hour, anchor)] += quantity if hour < end else 0
        cost = sum(price(until[period]) - price(before[period]) for period in until)
        report = monitor.generate_usage_report("acme", start, end)
        inside = [quantity for hour, quantity in used.items() if start <= hour < end]
        told = [(one.quantity, one.events, one.cost_minor) for one in report.totals]
        assert told == ([(sum(inside), len(inside), cost)] if inside else [])
        assert sum(day.quantity for day in report.days) == sum(inside)


def test_usage_is_read_anew_when_it_is_old_enough(served: Served, monitor: BillingMonitor) -> None:
    organization, _ = raise_warning(served.exporter)
    first = monitor.get_usage_metrics(organization)
    use(served.exporter, organization, 1)
    assert monitor.get_usage_metrics(organization) == first
    with BillingMonitor(served.conninfo, usage_seconds=0) as other:
        for used in (86, 87):
            (meter,) = [
                one for one in other.get_usage_metrics(organization).meters if one.meter == "fix"
            ]
            assert meter.used == used
            use(served.exporter, organization, 1)
