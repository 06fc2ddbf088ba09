"""What names a customer, and what only looks like it."""

import json
from typing import Any

import pytest

from exporter.ledger.person import Person


def body(**described: Any) -> bytes:
    return json.dumps({"id": "evt_1", "data": {"object": described}}, indent=1).encode()


@pytest.mark.parametrize(
    "content",
    [
        body(customer="cus_NffrFeUfNV2Hib"),
        body(customer={"id": "cus_NffrFeUfNV2Hib", "object": "customer"}),
        body(lines={"data": [{"metadata": {"for": "paid by cus_NffrFeUfNV2Hib."}}]}),
        body(customer="cus_NffrFeUfNV2Hib").replace(b"cus_", b"\\u0063us_"),
        body(cus_NffrFeUfNV2Hib=1),
        b'{"half": "cus_NffrFeUfNV2Hib',
    ],
)
def test_an_id_names_its_customer_wherever_it_stands(content: bytes) -> None:
    assert Person(["cus_NffrFeUfNV2Hib"]).concerns(content)
    assert not Person(["cus_NffrFeUfNV2Hi"]).concerns(content)
    assert not Person(["us_NffrFeUfNV2Hib"]).concerns(content)


def test_a_short_id_counts_only_where_an_id_stands() -> None:
    person = Person(["42"])
    assert person.concerns(body(metadata={"customer_id": "42"}))
    assert person.concerns(body(customer="42"))
    assert not person.concerns(body(quantity="42", description="42 seats"))
    assert person.is_named_by("42")
    assert not person.is_named_by("order-42")


def test_addresses_are_the_same_in_capitals() -> None:
    assert Person(["ada@example.com"]).concerns(body(receipt_email="Ada@Example.com"))
    assert not Person(["ada@example.com"]).concerns(body(receipt_email="nada@example.com"))
    assert not Person(["cus_NffrFeUfNV2Hib"]).concerns(body(customer="cus_NFFRFEUFNV2HIB"))


def test_what_is_theirs_leads_to_what_does_not_name_them() -> None:
    person = Person(["cus_NffrFeUfNV2Hib"])
    dispute = body(id="du_1MtJUT2eZvKYlo2C", charge="ch_3MmlLrLkdIwHu7ix", status="in_progress")
    assert not person.concerns(dispute)
    person.learn(body(id="ch_3MmlLrLkdIwHu7ix", customer="cus_NffrFeUfNV2Hib", note="in_progress"))
    assert person.concerns(dispute)
    person.learn(dispute)
    assert person.concerns(body(dispute="du_1MtJUT2eZvKYlo2C"))
    # A word that is shaped like an id leads nowhere.
    assert not person.concerns(body(id="ch_3MmlLrLkdIwHu7iy", status="in_progress"))


def test_what_only_mentions_them_leads_nowhere() -> None:
    person = Person(["cus_NffrFeUfNV2Hib"])
    other = body(id="in_1MtHbELkdIwHu7ix", metadata={"referred_by": "cus_NffrFeUfNV2Hib"})
    assert person.concerns(other)
    person.learn(other)
    assert person.owned == 0
    assert not person.concerns(body(invoice="in_1MtHbELkdIwHu7ix"))
