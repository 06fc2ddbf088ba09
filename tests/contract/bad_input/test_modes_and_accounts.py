"""The other mode and foreign Connect accounts: stored, told apart, and nothing of billing moves."""

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.ledger.embedded import EmbeddedServer
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.refusals import assert_takes_events
from tests.support.stripe_cases import fixture

OWN = "acct_own"
FOREIGN = "acct_foreign"
CONFIG = f"stripe:\n  mode: live\n  accounts: [{OWN}]\n"
PAID = ("billing_invoice_paid_total", "billing_invoice_paid_amount_total")


@pytest.fixture(scope="module")
def live(
    postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ExporterProcess]:
    """An exporter that counts the live mode of its own and one connected account."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "billing.yml").write_text(CONFIG)
    with new_database(postgres) as url, running_exporter(folder, url) as exporter:
        yield exporter


def invoice(account: str | None, livemode: bool, event_id: str | None = None) -> dict[str, Any]:
    event = fixture("invoice_paid_2015")
    connected = {"account": account} if account else {}
    event_id = event_id or f"evt_{uuid.uuid4().hex}"
    return {**event, **connected, "livemode": livemode, "id": event_id}


def rises(exporter: ExporterProcess, before: dict[Any, float]) -> dict[Any, float]:
    """The counters of events that rose, and by how much; not those of the exporter's own work."""
    after = exporter.scrape().counters()
    own = (
        "billing_group",
        "billing_queue_wait",
        "billing_stripe_webhook_handling",
        "billing_stripe_webhook_delivery",
        "billing_stripe_webhook_signatures",
    )
    return {
        key: rise
        for key, value in after.items()
        if (rise := value - before.get(key, 0)) and not key[0].startswith(own)
    }


@pytest.mark.parametrize(
    ("account", "livemode", "status"),
    [
        (None, False, "other_mode"),
        (OWN, False, "other_mode"),
        (FOREIGN, True, "foreign_account"),
        (FOREIGN, False, "foreign_account"),
    ],
)
def test_what_is_not_ours_is_stored_and_moves_only_its_outcome(
    live: ExporterProcess, account: str | None, livemode: bool, status: str
) -> None:
    """Row 12."""
    event = invoice(account, livemode)
    before = live.scrape().counters()
    assert live.send_stripe(event).json() == {"outcome": "new"}
    mode = ("livemode", "true" if livemode else "false")
    told = {("source", "stripe"), mode}
    assert rises(live, before) == {
        (
            "billing_events_received_total",
            frozenset({*told, ("event", "stripe_webhook_received")}),
        ): 1,
        (
            "billing_stripe_webhook_received_total",
            frozenset({*told, ("event_type", "invoice.paid"), ("status", status)}),
        ): 1,
        ("billing_stripe_webhook_outcomes_total", frozenset({*told, ("status", status)})): 1,
    }
    assert live.send_stripe(event).json() == {"outcome": "duplicate"}
    assert_takes_events(live)


def test_a_mixed_stream_counts_what_is_ours_and_nothing_else(live: ExporterProcess) -> None:
    """Row 12."""
    kinds = [(account, mode) for account in (None, OWN, FOREIGN) for mode in (True, False)]
    stream = [invoice(*kind) for kind in kinds for _ in range(10)]
    random.Random(12).shuffle(stream)
    before = live.scrape()
    for event in stream:
        assert live.send_stripe(event).status_code == 200
    after = live.scrape()
    for name in PAID:
        assert after.total(name, livemode="false") == 0
    assert after.total(PAID[0]) - before.total(PAID[0]) == 20
    outcomes: Counter[str] = Counter()
    for status in ("processed", "other_mode", "foreign_account", "ignored", "failed"):
        name = "billing_stripe_webhook_outcomes_total"
        outcomes[status] = round(
            after.total(name, status=status, source="stripe")
            - before.total(name, status=status, source="stripe")
        )
    assert +outcomes == {"processed": 20, "other_mode": 20, "foreign_account": 20}


def test_one_id_in_two_accounts_and_modes_is_as_many_events(live: ExporterProcess) -> None:
    """Row 12: ids are unique within an account and mode only."""
    event_id = f"evt_{uuid.uuid4().hex}"
    for account in (None, OWN, FOREIGN):
        for livemode in (True, False):
            event = invoice(account, livemode, event_id)
            assert live.send_stripe(event).json() == {"outcome": "new"}
            assert live.send_stripe(event).json() == {"outcome": "duplicate"}


def test_the_kind_of_the_stripe_key_says_which_mode_counts(
    tmp_path: Path, database_url: str
) -> None:
    """Row 12."""
    settings = {"STRIPE_SECRET_KEY": "rk_test_0123456789"}
    with running_exporter(tmp_path / "main", database_url, settings) as testing:
        for livemode in (True, False):
            assert testing.send_stripe(invoice(None, livemode)).status_code == 200
        scrape = testing.scrape()
        assert scrape.total(PAID[0], livemode="true") == 0
        assert scrape.total(PAID[0], livemode="false") == 1
