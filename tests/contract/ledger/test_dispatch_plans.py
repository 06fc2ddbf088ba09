"""What the dispatcher asks is answered by indexes, however many alerts there are."""

from datetime import UTC, datetime

import psycopg
import pytest

from exporter.ledger.migrate import migrate
from exporter.ledger.queries import DISPATCH
from tests.support.dispatching import Alerts
from tests.support.writing import ask

MANY = 20_000


@pytest.fixture
def crowded(any_database_url: str) -> str:
    """The address of a database with many open and more ended alerts."""
    migrate(any_database_url)
    alerts = Alerts(any_database_url)
    for organization, type_ in (("over", "cost_spike"), ("open", "usage_threshold")):
        ask(
            any_database_url,
            "INSERT INTO shared.billing_alerts (organization_id, type, severity, title, message, "
            "created_at, updated_at, resolved_at) SELECT %s || n, %s, 'medium', 'T', 'M', "
            "now(), now(), CASE WHEN %s THEN now() END FROM generate_series(1, %s) AS n",
            organization,
            type_,
            organization == "over",
            MANY,
        )
    alerts.begin("alone", "payment_failed", "critical", None)
    ask(any_database_url, "VACUUM ANALYZE shared.billing_alerts")
    ask(any_database_url, "VACUUM ANALYZE shared.billing_alert_transitions")
    return any_database_url


def plan(database_url: str, name: str, parameters: dict[str, object]) -> str:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(b"EXPLAIN (COSTS OFF) " + DISPATCH[name], parameters).fetchall()
    return "\n".join(row[0] for row in rows)


def test_open_alerts_are_counted_from_an_index_alone(crowded: str) -> None:
    assert "Index Only Scan using billing_alerts_open_type" in plan(crowded, "count_open", {})


def test_those_of_one_type_are_found_without_the_others(crowded: str) -> None:
    parameters = {
        "single_types": ["payment_failed"],
        "now": datetime.now(UTC),
        "lives": ["one"],
        "repeated_seconds": 900,
    }
    for name in ("begin_alerts", "read_told", "end_alerts"):
        assert "Seq Scan on billing_alert" not in plan(crowded, name, parameters), name


def test_the_last_transition_is_found_at_once(crowded: str) -> None:
    assert "Seq Scan" not in plan(crowded, "read_mark", {})
