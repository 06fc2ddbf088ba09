"""The list of alerts: filters, pages, and what a key of one organisation sees."""

import uuid

import psycopg
import pytest

from exporter.domain.access import Scope
from exporter.ledger.queries import BILLING_ALERTS
from tests.contract.keys.conftest import Served
from tests.support.keys import make_key
from tests.support.organizations import alerts_of, call, new_name, raise_warning, use
from tests.support.writing import ask

ALERTS = "/api/v1/alerts"


def make_alerts(served: Served, organization: str, count: int) -> None:
    """Alerts of several types, three of each moment, every fifth one resolved."""
    ask(
        served.conninfo,
        "INSERT INTO shared.billing_alerts (organization_id, type, severity, title, message, "
        "meter, created_at, updated_at, resolved_at, resolved_by, resolution) "
        "SELECT %s, (ARRAY['usage_threshold', 'usage_limit'])[1 + n %% 2], "
        "(ARRAY['low', 'medium', 'high'])[1 + n %% 3], 'T', 'M', 'm' || n, at, at, "
        "CASE WHEN n %% 5 = 0 THEN at END, 'x', 'y' "
        "FROM generate_series(0, %s - 1) AS n, "
        "LATERAL (SELECT timestamptz '2026-01-31 12:00Z' + n / 3 * interval '1 h') AS t (at)",
        organization,
        count,
    )


def pages(served: Served, query: str) -> list[list[str]]:
    """The meters of the alerts, page by page."""
    found = []
    cursor = ""
    for _ in range(100):
        page = call(served.exporter, "GET", f"{ALERTS}?{query}{cursor}")
        found.append([alert["meter"] for alert in page["alerts"]])
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"
    raise AssertionError("the list has no end")


def test_pages_hold_every_alert_once_whatever_comes_meanwhile(served: Served) -> None:
    organization = new_name()
    make_alerts(served, organization, 23)
    whole = pages(served, f"organization={organization}&limit=500")
    assert len(whole) == 1
    assert set(whole[0]) == {f"m{number}" for number in range(23)}
    for size in (1, 4, 22, 23):
        found = pages(served, f"organization={organization}&limit={size}")
        assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)
        assert [meter for page in found for meter in page] == whole[0]
    first = call(served.exporter, "GET", f"{ALERTS}?organization={organization}&limit=20")
    raise_warning(served.exporter)
    rest = call(
        served.exporter, "GET", f"{ALERTS}?organization={organization}&cursor={first['next']}"
    )
    assert [alert["meter"] for alert in rest["alerts"]] == whole[0][20:]


@pytest.mark.parametrize(
    ("query", "meters"),
    [
        ("type=usage_limit&status=active", {1, 3, 7, 9, 11}),
        ("severity=low", {0, 3, 6, 9}),
        ("status=resolved", {0, 5, 10}),
        ("status=open", {1, 2, 3, 4, 6, 7, 8, 9, 11}),
        ("status=acknowledged", set()),
        ("meter=m7", {7}),
        ("meter=nothing", set()),
        ("since=2026-01-31T14:00:00Z", {6, 7, 8, 9, 10, 11}),
        ("until=2026-01-31T14:00:00Z&severity=low", {0, 3}),
        ("since=2026-01-31T15:00:00%2B02:00&until=2026-02-01", {3, 4, 5, 6, 7, 8, 9, 10, 11}),
        ("since=2026-02-01", set()),
    ],
)
def test_a_filter_keeps_what_it_says(served: Served, query: str, meters: set[int]) -> None:
    organization = new_name()
    make_alerts(served, organization, 12)
    (found,) = pages(served, f"organization={organization}&{query}")
    assert set(found) == {f"m{number}" for number in meters}


def test_a_key_of_one_organisation_sees_its_own_alone(served: Served) -> None:
    own, own_alert = raise_warning(served.exporter)
    other, other_alert = raise_warning(served.exporter)
    _, key = make_key(served.conninfo, Scope.READ, organization_id=own)

    def get(path: str, status: int = 200) -> dict[str, object]:
        found = call(served.exporter, "GET", path, key=key, status=status)
        assert isinstance(found, dict)
        return found

    for query in ("", f"?organization={own}", "?limit=500"):
        listed = get(f"{ALERTS}{query}")["alerts"]
        assert isinstance(listed, list)
        assert [alert["id"] for alert in listed] == [own_alert]
    assert get(f"{ALERTS}/{own_alert}")["organizationId"] == own
    assert get(f"/api/v1/organizations/{own}/usage")["organizationId"] == own
    assert get(f"/api/v1/organizations/{own}/subscription")["organizationId"] == own

    # Of another one it is told what it would be told of one that isn't there.
    nowhere = new_name("nowhere")
    assert get(f"{ALERTS}?organization={other}") == get(f"{ALERTS}?organization={nowhere}")
    foreign = get(f"{ALERTS}/{other_alert}", 404)
    absent_id = str(uuid.uuid4())
    absent = get(f"{ALERTS}/{absent_id}", 404)
    assert str(foreign).replace(other_alert, "ID") == str(absent).replace(absent_id, "ID")
    for part in ("usage", "subscription"):
        foreign = get(f"/api/v1/organizations/{other}/{part}", 404)
        absent = get(f"/api/v1/organizations/{nowhere}/{part}", 404)
        assert str(foreign).replace(other, "ORG") == str(absent).replace(nowhere, "ORG")


def test_a_page_is_read_from_an_index_however_many_alerts_there_are(served: Served) -> None:
    organization = new_name()
    make_alerts(served, organization, 20_000)
    use(served.exporter, new_name(), 1)
    base = dict.fromkeys(
        ("id", "organization_id", "type", "severity", "meter", "is_resolved", "status", "since",
         "until", "before_created_at", "before_id")
    )  # fmt: skip
    cursor = {"before_created_at": "2026-03-01T00:00:00Z", "before_id": str(uuid.uuid4())}
    with psycopg.connect(served.conninfo, autocommit=True) as connection:
        connection.execute("ANALYZE shared.billing_alerts")
        for which in (
            {},
            {"organization_id": organization},
            {"organization_id": organization, "is_resolved": False, "status": "open"},
            {"is_resolved": False},
            {"organization_id": organization, **cursor},
        ):
            rows = connection.execute(
                b"EXPLAIN " + BILLING_ALERTS["list_alerts"], {**base, **which, "limit": 50}
            ).fetchall()
            plan = "\n".join(line for (line,) in rows)
            assert "Index Scan" in plan, plan
            assert "Seq Scan" not in plan, plan
            assert "Sort" not in plan, plan
    assert len(alerts_of(served.exporter, organization, limit="500")) == 500
