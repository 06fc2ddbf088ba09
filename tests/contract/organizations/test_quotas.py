"""Quotas of an organisation's own, and customers that an operator maps: alerts follow at once."""

from concurrent.futures import ThreadPoolExecutor

from exporter.domain.access import Scope
from tests.contract.keys.conftest import Served
from tests.support.keys import audited, make_key
from tests.support.organizations import (
    ADMIN,
    alerts_of,
    call,
    new_name,
    raise_warning,
    transitions,
    use,
)
from tests.support.writing import ask


def quota_path(organization: str, meter: str = "fix") -> str:
    return f"/api/v1/organizations/{organization}/quotas/{meter}"


def active(served: Served, organization: str) -> set[tuple[str, str]]:
    """Type and severity of the alerts that are not resolved."""
    found = alerts_of(served.exporter, organization, status="active")
    return {(alert["type"], alert["severity"]) for alert in found}


def test_a_higher_quota_ends_the_alerts_and_arms_them_again(served: Served) -> None:
    organization, id_ = raise_warning(served.exporter)
    put = call(served.exporter, "PUT", quota_path(organization), {"quota": 1000})
    assert put["outcome"] == "set"
    figures = put["figures"]
    assert (figures["used"], figures["quota"], figures["percentage"]) == (85, 1000, 8)
    assert (figures["level"], figures["isOwnQuota"], figures["quotaSetBy"]) == ("ok", True, ADMIN)
    assert active(served, organization) == set()
    assert transitions(served.conninfo, id_)[-1] == ("resolved", "medium", "exporter")

    use(served.exporter, organization, 715)
    assert active(served, organization) == {("usage_threshold", "medium")}
    again = call(served.exporter, "PUT", quota_path(organization), {"quota": 1000})
    assert again["outcome"] == "unchanged"
    assert active(served, organization) == {("usage_threshold", "medium")}
    call(served.exporter, "PUT", quota_path(organization), {"quota": 700})
    assert active(served, organization) == {
        ("usage_threshold", "critical"),
        ("overage_detected", "high"),
    }
    none = call(served.exporter, "PUT", quota_path(organization), {"quota": None})
    assert (none["figures"]["quota"], none["figures"]["percentage"]) == (None, None)
    assert active(served, organization) == set()
    call(served.exporter, "PUT", quota_path(organization), {"quota": 1})
    assert ("overage_detected", "high") in active(served, organization)
    cleared = call(served.exporter, "DELETE", quota_path(organization))
    assert cleared["outcome"] == "cleared"
    assert active(served, organization) == set()
    assert call(served.exporter, "DELETE", quota_path(organization))["outcome"] == "unchanged"
    acts = [
        (actor, details["quota"], details["outcome"])
        for actor, target, _, details in audited(served.conninfo, "quota.set")
        if target == organization
    ]
    assert acts == [
        (ADMIN, 100, "set_early"),
        *((ADMIN, quota, "set") for quota in (1000, 700, None, 1)),
    ]
    assert [row[1] for row in audited(served.conninfo, "quota.clear")][-1] == organization


def test_a_quota_that_is_set_while_usage_comes_in_is_judged_with_all_of_it(served: Served) -> None:
    organization = new_name()
    use(served.exporter, organization, 1)

    def put(quota: int) -> None:
        call(served.exporter, "PUT", quota_path(organization), {"quota": quota})

    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(use, served.exporter, organization, 10) for _ in range(30)]
        changed = [pool.submit(put, quota) for quota in (5, 5000, 50, 1000, 300)]
        for done in (*sent, *changed):
            done.result(30)
    put(310)
    found = call(served.exporter, "GET", f"/api/v1/organizations/{organization}/usage")
    (meter,) = [one for one in found["meters"] if one["meter"] == "fix"]
    assert (meter["used"], meter["level"]) == (301, "critical")
    assert active(served, organization) == {("usage_threshold", "critical")}


def test_a_quota_can_be_there_before_the_first_event(served: Served) -> None:
    organization = new_name()
    call(served.exporter, "DELETE", quota_path(organization), status=404)
    call(served.exporter, "GET", f"/api/v1/organizations/{organization}/usage", status=404)
    put = call(served.exporter, "PUT", quota_path(organization, "API_calls"), {"quota": 10})
    assert put["outcome"] == "set_early"
    assert (put["figures"]["meter"], put["figures"]["used"]) == ("api_calls", 0)
    use(served.exporter, organization, 11, "api_calls")
    assert ("overage_detected", "high") in active(served, organization)


def test_usage_is_told_by_meter_and_by_hour_or_day(served: Served) -> None:
    organization = new_name()
    for quantity, meter in ((3, "fix"), (4, "fix"), (5, "api_calls")):
        use(served.exporter, organization, quantity, meter)
    path = f"/api/v1/organizations/{organization}/usage"
    found = call(served.exporter, "GET", path)
    assert {one["meter"]: one["used"] for one in found["meters"]} == {"api_calls": 5, "fix": 7}
    assert found["period"]["start"] < found["meters"][0]["lastUsedAt"] < found["period"]["end"]
    assert "history" not in found
    for interval in ("day", "hour"):
        start = found["period"]["start"]
        history = call(served.exporter, "GET", f"{path}?start={start}&interval={interval}")[
            "history"
        ]
        sums: dict[str, tuple[int, int]] = {}
        for row in history["rows"]:
            quantity, events = sums.get(row["meter"], (0, 0))
            sums[row["meter"]] = quantity + row["quantity"], events + row["events"]
        assert sums == {"api_calls": (5, 1), "fix": (7, 2)}
    past = call(served.exporter, "GET", f"{path}?start=2020-01-01&end=2020-01-02")
    assert past["history"]["rows"] == []


def test_figures_are_those_of_now_though_nothing_was_settled_since(served: Served) -> None:
    organization, _ = raise_warning(served.exporter)
    ask(
        served.conninfo,
        "UPDATE shared.usage SET period_start = period_start - interval '31 d', "
        "period_end = period_start, used = 7000 WHERE organization_id = %s",
        organization,
    )
    ask(
        served.conninfo,
        "UPDATE shared.organizations SET period_start = period_start - interval '31 d', "
        "period_end = period_start WHERE organization_id = %s",
        organization,
    )
    found = call(served.exporter, "GET", f"/api/v1/organizations/{organization}/usage")
    (meter,) = [one for one in found["meters"] if one["meter"] == "fix"]
    assert (meter["used"], meter["percentage"], meter["level"]) == (85, 85, "warning")


def test_a_customer_that_is_mapped_brings_its_usage_along(served: Served) -> None:
    customer, organization = new_name("cus"), new_name()
    call(served.exporter, "PUT", quota_path(organization), {"quota": 100})
    use(served.exporter, organization, 50)
    use(served.exporter, "", 40, customer_id=customer)
    assert active(served, organization) == set()
    path = f"/api/v1/customers/own:live/{customer}"
    body = {"organizationId": organization}
    assert call(served.exporter, "PUT", path, body)["outcome"] == "mapped"
    assert call(served.exporter, "PUT", path, body)["outcome"] == "unchanged"
    call(served.exporter, "GET", f"/api/v1/organizations/{customer}/usage", status=404)
    assert active(served, organization) == {("usage_threshold", "medium")}
    use(served.exporter, "", 6, customer_id=customer)
    assert active(served, organization) == {("usage_threshold", "critical")}
    subscription = call(
        served.exporter, "GET", f"/api/v1/organizations/{organization}/subscription"
    )
    (mapped,) = subscription["customers"]
    assert (mapped["customerId"], mapped["mappedBy"]) == (customer, ADMIN)

    # What it used so far can't be told from the organisation's own: that stays.
    other = new_name()
    assert call(served.exporter, "PUT", path, {"organizationId": other})["outcome"] == "remapped"
    use(served.exporter, "", 2, customer_id=customer)
    told = {
        id_: call(served.exporter, "GET", f"/api/v1/organizations/{id_}/usage")["meters"][0]["used"]
        for id_ in (organization, other)
    }
    assert told == {organization: 96, other: 2}
    rows = [row for row in audited(served.conninfo, "customer.map") if customer in row[1]]
    assert [(row[1], row[3]["outcome"]) for row in rows] == [
        (f"own:live {customer}", "mapped"),
        (f"own:live {customer}", "remapped"),
    ]


def test_customers_that_are_mapped_while_their_usage_comes_in_lose_nothing(served: Served) -> None:
    customers, organization = [new_name("cus") for _ in range(3)], new_name()

    def put(customer: str) -> None:
        path = f"/api/v1/customers/own:live/{customer}"
        call(served.exporter, "PUT", path, {"organizationId": organization})

    with ThreadPoolExecutor(6) as pool:
        done = []
        for number in range(10):
            for customer in customers:
                done.append(pool.submit(use, served.exporter, "", 10, customer_id=customer))
                if number == 4:
                    done.append(pool.submit(put, customer))
        for one in done:
            one.result(30)
    found = call(served.exporter, "GET", f"/api/v1/organizations/{organization}/usage")
    assert [meter["used"] for meter in found["meters"]] == [300]
    named = ask(
        served.conninfo,
        "SELECT DISTINCT organization_id FROM shared.api_usage_logs "
        "WHERE organization_id = ANY (%s::text[])",
        [*customers, organization],
    )
    assert named == [(organization,)]


def test_only_admins_change_anything_and_whoever_tries_is_in_the_audit_log(served: Served) -> None:
    organization, id_ = raise_warning(served.exporter)
    key_id, key = make_key(served.conninfo, Scope.READ, Scope.INGEST)
    for method, path, body in (
        ("PUT", quota_path(organization), {"quota": 1}),
        ("DELETE", quota_path(organization), None),
        ("PUT", "/api/v1/customers/own:live/cus_1", {"organizationId": organization}),
        ("POST", f"/api/v1/alerts/{id_}/acknowledge", {}),
        ("POST", f"/api/v1/alerts/{id_}/unacknowledge", {}),
        ("POST", f"/api/v1/alerts/{id_}/resolve", {"reason": "x"}),
    ):
        call(served.exporter, method, path, body, key=key, status=403)
    # Of a flood of them, the first one is written at once.
    attempts = [row for row in audited(served.conninfo, "admin.attempt") if key_id in row[0]]
    assert attempts[0][1] == f"PUT {quota_path(organization)}"
    assert alerts_of(served.exporter, organization)[0]["status"] == "open"
