"""What the functions about alerts, quotas and customers answer, on the oldest PostgreSQL, too."""

import uuid

import psycopg
import pytest
from psycopg.types.json import Jsonb

from exporter.ledger.migrate import migrate
from tests.support.writing import ask

NOON = "2026-01-31 12:00Z"
TEN = "2026-01-31 22:00Z"


@pytest.fixture
def ledger(any_database_url: str) -> str:
    """A ledger that has nothing in it."""
    migrate(any_database_url)
    return any_database_url


def tell(ledger: str, function: str, *arguments: object, at: str = NOON) -> object:
    """What one of the functions answers."""
    places = ", ".join(["%s::timestamptz", *["%s"] * len(arguments)])
    ((outcome,),) = ask(ledger, f"SELECT ledger.{function}({places})", at, *arguments)
    return outcome


def use(ledger: str, quantity: int, *, organization: str | None = None, customer: str = "") -> None:
    """So much usage of the hour before noon."""
    fact = {
        "organization_id": organization,
        "scope": "own:live",
        "customer_id": customer or None,
        "meter": "fix",
        "hour": 1_769_857_200,
        "quantity": quantity,
        "events": 1,
        "last_at": 1_769_857_200.5,
    }
    apply(ledger, {"usage": [fact]})


def apply(ledger: str, facts: dict[str, object]) -> None:
    """What a group told of organisations at noon."""
    with psycopg.connect(ledger) as connection:
        connection.execute("SELECT ledger.apply_facts(%s, %s)", [NOON, Jsonb(facts)])


def active(ledger: str) -> set[tuple[object, ...]]:
    """Organisation, type and severity of what is not resolved."""
    return set(
        ask(
            ledger,
            "SELECT organization_id, type, severity FROM shared.billing_alerts "
            "WHERE resolved_at IS NULL",
        )
    )


def raise_warning(ledger: str) -> object:
    """The id of an alert that acme has."""
    assert tell(ledger, "set_quota", "acme", "fix", 100, "anna") == "set_early"
    use(ledger, 85, organization="acme")
    ((id_,),) = ask(ledger, "SELECT id FROM shared.billing_alerts")
    return id_


def test_an_acknowledgement_from_its_beginning_to_its_end(ledger: str) -> None:
    id_ = raise_warning(ledger)

    def take(actor: str, why: str | None, until: str | None, at: str = NOON) -> object:
        return tell(ledger, "acknowledge_alert", id_, actor, why, until, at=at)

    assert take("anna", None, NOON) == "past"
    assert take("anna", "mine", TEN) == "acknowledged"
    assert take("anna", "mine", TEN) == "unchanged"
    assert take("ben", "mine", TEN) == "held"
    assert take("anna", None, None) == "renewed"
    assert tell(ledger, "acknowledge_alert", id_, "ben", None, TEN, True) == "renewed"
    assert tell(ledger, "expire_acknowledgements", 10) == 0
    # By then nobody holds it any more, whether it was cleared or not.
    assert take("anna", "again", None, at=TEN) == "acknowledged"
    assert tell(ledger, "unacknowledge_alert", id_, "ben", "enough") == "unacknowledged"
    assert tell(ledger, "unacknowledge_alert", id_, "ben", None) == "not_acknowledged"
    assert take("anna", None, "2026-02-01 00:00Z") == "acknowledged"
    assert tell(ledger, "expire_acknowledgements", 10, at="2026-02-01 00:00Z") == 1
    assert tell(ledger, "expire_acknowledgements", 10, at="2026-02-01 00:00Z") == 0
    assert tell(ledger, "resolve_alert", id_, "anna", "Mended.") == "resolved"
    for function, more in (
        ("resolve_alert", ("anna", "x")),
        ("unacknowledge_alert", ("anna", None)),
        ("acknowledge_alert", ("anna", None, None)),
    ):
        assert tell(ledger, function, id_, *more) == "already_resolved"
        assert tell(ledger, function, uuid.uuid4(), *more) == "unknown"
    told = ask(
        ledger,
        "SELECT transition, actor, note FROM shared.billing_alert_transitions ORDER BY number",
    )
    assert told == [
        ("raised", None, None),
        ("acknowledged", "anna", "mine"),
        ("acknowledged", "anna", None),
        ("acknowledged", "ben", None),
        ("acknowledged", "anna", "again"),
        ("unacknowledged", "ben", "enough"),
        ("acknowledged", "anna", None),
        ("unacknowledged", "exporter", "Its time is over."),
        ("resolved", "anna", "Mended."),
    ]
    assert ask(ledger, "SELECT acknowledged_by, note FROM shared.billing_alerts") == [(None, None)]


def test_a_quota_is_set_and_cleared_with_its_alerts(ledger: str) -> None:
    raise_warning(ledger)
    assert active(ledger) == {("acme", "usage_threshold", "medium")}
    assert tell(ledger, "set_quota", "acme", "fix", 100, "anna") == "unchanged"
    assert tell(ledger, "set_quota", "acme", "fix", 84, "anna") == "set"
    assert active(ledger) == {
        ("acme", "usage_threshold", "critical"),
        ("acme", "overage_detected", "high"),
    }
    assert tell(ledger, "set_quota", "acme", "fix", None, "anna") == "set"
    assert active(ledger) == set()
    assert tell(ledger, "clear_quota", "acme", "fix") == "cleared"
    assert tell(ledger, "clear_quota", "acme", "fix") == "unchanged"
    assert tell(ledger, "clear_quota", "nobody", "fix") == "unknown"


def test_a_customer_is_mapped_with_what_it_was(ledger: str) -> None:
    raise_warning(ledger)
    use(ledger, 10, customer="cus_1")
    assert tell(ledger, "map_customer", "own:live", "cus_1", "acme", "anna") == "mapped"
    assert active(ledger) == {("acme", "usage_threshold", "critical")}
    assert tell(ledger, "map_customer", "own:live", "cus_1", "acme", "anna") == "unchanged"
    assert tell(ledger, "map_customer", "own:live", "cus_1", "other", "anna") == "remapped"
    use(ledger, 3, customer="cus_1")
    assert ask(
        ledger, "SELECT organization_id, used FROM shared.usage ORDER BY organization_id"
    ) == [("acme", 95), ("other", 3)]
    # One that is said to be an organisation by itself stays that, whatever events say later.
    assert tell(ledger, "map_customer", "own:live", "cus_2", "cus_2", "anna") == "mapped"
    assert ask(
        ledger, "SELECT count(*) FROM shared.organizations WHERE organization_id = 'cus_2'"
    ) == [(0,)]


def test_a_customer_that_is_mapped_still_has_to_pay(ledger: str) -> None:
    failed = {
        "organization_id": None,
        "scope": "own:live",
        "customer_id": "cus_1",
        "failed": True,
        "at": 1_769_857_200.5,
        "amount_minor": 4900,
        "currency": "usd",
        "decimals": 2,
    }
    apply(ledger, {"payments": [failed]})
    assert active(ledger) == {("cus_1", "payment_failed", "critical")}
    assert tell(ledger, "map_customer", "own:live", "cus_1", "acme", "anna") == "mapped"
    assert active(ledger) == {("acme", "payment_failed", "critical")}
    assert ask(ledger, "SELECT message FROM shared.billing_alerts WHERE resolved_at IS NULL") == [
        ("A payment of 49.00 USD failed. Please update the payment method.",)
    ]
    apply(ledger, {"payments": [{**failed, "failed": False, "at": 1_769_860_000}]})
    assert active(ledger) == set()


def test_who_saw_to_a_warning_has_not_seen_that_it_became_critical(ledger: str) -> None:
    id_ = raise_warning(ledger)
    assert tell(ledger, "acknowledge_alert", id_, "anna", "mine", TEN) == "acknowledged"
    use(ledger, 11, organization="acme")
    held = "SELECT acknowledged_at, acknowledged_by, note FROM shared.billing_alerts"
    assert ask(ledger, held) == [(None, None, None)]
    told = "SELECT transition FROM shared.billing_alert_transitions ORDER BY number"
    assert ask(ledger, told) == [("raised",), ("acknowledged",), ("escalated",)]
