"""An organisation on its way through its quota: what people are told, and by whom it is ended."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.support.alertmanager import AlertmanagerServer, fitting_variant
from tests.support.audience import COMPRESSION, mails, mails_to
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.receivers import Receivers
from tests.support.sinks import Mail
from tests.support.stripe_cases import fixture
from tests.support.telemetry import usage
from tests.support.waiting import wait_until

SECONDS = 60.0
ADMIN = "admin@example.com"
KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
# A unit above a thousand costs half a cent.
PLANS = {
    "meters": ["api_calls"],
    "plans": {
        "pro": {
            "stripe": ["price_pro"],
            "meters": {"api_calls": {"quota": 1000, "overage_price_minor": "0.5"}},
        }
    },
}
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Company:
    """An organisation of an exporter, and everybody that is told of it."""

    exporter: ExporterProcess
    alertmanager: AlertmanagerServer
    receivers: Receivers

    def use(self, quantity: int) -> None:
        """So much usage, in an hour before this one."""
        at = datetime.now(UTC) - timedelta(hours=2)
        event = usage(None, quantity, organization_id="acme", resource_type="api_calls")
        self.exporter.send_events([{**event, "occurred_at": at.isoformat()}]).raise_for_status()

    def subscribe(self, start: datetime, created_seconds: int) -> None:
        """Stripe tells of a subscription whose period of thirty days begins then."""
        event = fixture("subscription_created_basil", customer="cus_1", id="sub_1")
        event["id"] = f"evt_{created_seconds}"
        event["created"] = created_seconds
        held = event["data"]["object"]
        held["metadata"] = {"organization_id": "acme"}
        for item in held["items"]["data"]:
            item["price"]["id"] = "price_pro"
            item["current_period_start"] = int(start.timestamp())
            item["current_period_end"] = int((start + 30 * DAY).timestamp())
        assert self.exporter.send_stripe(event).json()["outcome"] == "new"

    def told(self, subject: str) -> Mail:
        """The one mail to the admins with that in its subject, when it came."""

        def came() -> list[Mail]:
            found = mails_to(self.receivers, ADMIN)
            return [mail for mail in found if subject in mail.subject]

        wait_until(came, SECONDS, f"a mail about {subject}")
        (mail,) = came()
        return mail

    def open_alerts(self) -> list[dict[str, Any]]:
        """What the exporter lists as not resolved."""
        answer = self.exporter.session.get(
            f"{self.exporter.url}/api/v1/alerts",
            params={"status": "active"},
            headers=KEY,
            timeout=10,
        )
        found: list[dict[str, Any]] = answer.json()["alerts"]
        return found


@pytest.fixture
def company(tmp_path: Path, database_url: str) -> Iterator[Company]:
    (tmp_path / "billing.yml").write_text(yaml.safe_dump(PLANS))
    with Receivers() as receivers:
        receivers.configure(tmp_path, compression=COMPRESSION)
        with AlertmanagerServer(tmp_path / "am", tmp_path / fitting_variant()) as alertmanager:
            settings = {
                "BILLING_CONFIG": str(tmp_path / "billing.yml"),
                "ALERTMANAGER_URL": alertmanager.url,
            }
            with running_exporter(tmp_path / "main", database_url, settings) as exporter:
                yield Company(exporter, alertmanager, receivers)


def test_each_threshold_is_told_once_and_the_renewal_ends_them(company: Company) -> None:
    now = datetime.now(UTC)
    company.subscribe(now - 10 * DAY, int(time.time()) - 100)
    company.use(799)
    assert company.open_alerts() == []
    company.use(1)
    warning = company.told("BillingUsageThreshold")
    assert "Usage of api calls is at 80% of the quota (800 of 1000)." in warning.body("plain")
    company.use(150)
    wait_until(
        lambda: mails(company.receivers, "billing-oncall@example.com", "BillingUsageThreshold"),
        SECONDS,
        "it is critical",
    )
    company.use(250)
    overage = company.told("BillingOverageDetected")
    assert "Usage of api calls is 200 over the quota of 1000." in overage.body("plain")
    assert "Additional charges apply: 1.00 USD so far." in overage.body("plain")
    assert {(one["type"], one["severity"]) for one in company.open_alerts()} == {
        ("usage_threshold", "critical"),
        ("overage_detected", "high"),
    }

    company.subscribe(now, int(time.time()))
    wait_until(lambda: company.open_alerts() == [], SECONDS, "the renewal ends them")
    company.told("[RESOLVED] BillingOverageDetected")


def test_what_is_acknowledged_here_is_silenced_there_and_the_other_way_round(
    company: Company,
) -> None:
    company.subscribe(datetime.now(UTC) - 10 * DAY, int(time.time()) - 100)
    company.use(900)
    company.told("BillingUsageThreshold")
    ((alert,)) = company.open_alerts()
    answer = company.exporter.session.post(
        f"{company.exporter.url}/api/v1/alerts/{alert['id']}/acknowledge",
        json={"note": "I call them."},
        headers=KEY,
        timeout=10,
    )
    answer.raise_for_status()

    def silences() -> list[dict[str, Any]]:
        answer = requests.get(f"{company.alertmanager.url}/api/v2/silences", timeout=10)
        return [one for one in answer.json() if one["status"]["state"] == "active"]

    wait_until(silences, SECONDS, "a silence")
    ((silence,)) = silences()
    assert "I call them." in silence["comment"]
    requests.delete(
        f"{company.alertmanager.url}/api/v2/silence/{silence['id']}", timeout=10
    ).raise_for_status()
    wait_until(
        lambda: company.open_alerts()[0]["acknowledgedAt"] is None,
        SECONDS,
        "nobody looks after it any more",
    )
