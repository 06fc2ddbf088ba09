"""Organisations that cross levels, ease, renew and get acknowledged, and what must come of it.

What happens next to one is done only when people were told of the last, so that each message has
its cause; every third organisation doesn't wait, and its history alone is compared.
"""

import contextlib
import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from chaos.kills.inbox import Subject
from chaos.kills.parts import AGAIN_SECONDS, Parts
from tests.support.exporter import ADMIN_KEY
from tests.support.sendings import EVENTS_PATH, STRIPE_PATH
from tests.support.stripe import sign
from tests.support.stripe_cases import fixture
from tests.support.telemetry import usage
from tests.support.usage_figures import Alert, Organization, PlanMeter
from tests.support.usage_model import Model
from tests.support.usage_periods import Period
from tests.support.waiting import wait_until

METER = "api_calls"
QUOTA = 1000
_LABELS = {"critical": "critical", "high": "warning", "medium": "warning"}
# Usage is brought into one of these, in percent of the quota; a larger quota to one of those.
_CROSSED, _EASED = ((80, 94), (95, 100), (101, 150)), (50, 85, 97)
_MOVES = 6
_RENEWED = 1 / 8
_PERIOD = timedelta(days=30)
# A renewal begins so much later than what was used before it.
_STEP = timedelta(hours=2)
_TAKEN_SECONDS = 90.0
_JSON = {"Content-Type": "application/json"}
_KEYED = {"Authorization": f"Bearer {ADMIN_KEY}", **_JSON}
_PAUSE_SECONDS = 0.05


@dataclass
class Life:
    """One organisation, and what the model says of it. `told` counts messages that had to come and
    did, `untold` are those that did not.
    """

    name: str
    parts: Parts
    chance: random.Random
    waits: bool
    organization: Organization = field(init=False)
    untold: list[str] = field(default_factory=list)
    told: int = 0
    _model: Model = field(init=False)
    # By the alert's identity: two may look alike.
    _held: set[int] = field(default_factory=set)
    _began: dict[Subject, str] = field(default_factory=dict)
    _created_seconds: int = field(default_factory=lambda: int(time.time()) - 1000)
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        start = hour - timedelta(days=20)
        self.organization = Organization(Period(start, start + _PERIOD), "pro")
        plans = {("pro", METER): PlanMeter(QUOTA, (), "", ())}
        self._model = Model("free", plans, {self.name: self.organization})

    def live(self, stopped: threading.Event) -> None:
        """Some moves, then a renewal that ends what is open."""
        self._subscribe()
        moves = (self._cross, self._cross, self._cross, self._ease, self._acknowledge)
        for _ in range(_MOVES):
            if stopped.is_set():
                break
            self._see(self.chance.choice(moves))
            if self.chance.random() < _RENEWED:
                self._see(self._renew)
        self._see(self._renew)
        self._session.close()

    def _see(self, move: Callable[[], None]) -> None:
        """Make a move, and wait until people were told of what came of it."""
        before = self._open()
        seen = {
            (one.subject, one.starts_at)
            for type_ in ("usage_threshold", "overage_detected")
            for label in ("critical", "warning")
            for one in self.parts.inbox.about(Subject(self.name, type_, label), "firing")
        }
        move()
        after = self._open()
        if not self.waits:
            return
        for subject, alert in after.items():
            if subject not in before and id(alert) not in self._held:
                self._await_start(subject, seen)
        for subject, alert in before.items():
            if subject in after or subject not in self._began:
                continue
            starts_at = self._began.pop(subject)
            # While somebody looks after what is left of it, Alertmanager holds back that end, too.
            if alert.resolved or id(alert) not in self._held:
                self._await_end(subject, starts_at)

    def _open(self) -> dict[Subject, Alert]:
        return {
            Subject(self.name, alert.type, _LABELS[alert.severity]): alert
            for alert in self.organization.alerts
            if not alert.resolved
        }

    def _await_start(self, subject: Subject, seen: set[tuple[Subject, str]]) -> None:
        def came() -> list[str]:
            return [
                one.starts_at
                for one in self.parts.inbox.about(subject, "firing")
                if (subject, one.starts_at) not in seen
            ]

        try:
            self._began[subject] = wait_until(came, AGAIN_SECONDS, f"{subject} is told")[-1]
            self.told += 1
        except AssertionError as error:
            self.untold.append(str(error))

    def _await_end(self, subject: Subject, starts_at: str) -> None:
        def came() -> bool:
            ends = self.parts.inbox.about(subject, "resolved")
            return any(one.starts_at == starts_at for one in ends)

        try:
            wait_until(came, AGAIN_SECONDS, f"{subject} ends")
            self.told += 1
        except AssertionError as error:
            self.untold.append(str(error))

    def _cross(self) -> None:
        """Use as much as brings it into another level, as one event."""
        quota = self.organization.overrides.get(METER, QUOTA)
        assert quota is not None
        used = self._used()
        goals = [self.chance.randint(*level) * quota // 100 for level in _CROSSED]
        quantity = next((goal - used for goal in goals if goal > used), 1)
        at = self.organization.period.start + timedelta(minutes=5)
        event = usage(None, quantity, organization_id=self.name, resource_type=METER)
        body = _encode({**event, "occurred_at": at.isoformat()})
        self._send("POST", EVENTS_PATH, lambda: {"data": body, "headers": _KEYED})
        self.organization.add(METER, int(at.timestamp()) // 3600 * 3600, quantity, 1)
        self._settle()

    def _ease(self) -> None:
        """A larger quota, which may end what is open or make it less."""
        used = self._used()
        if used == 0:
            return
        quota = used * 100 // self.chance.choice(_EASED)
        path = f"/api/v1/organizations/{self.name}/quotas/{METER}"
        self._send("PUT", path, lambda: {"json": {"quota": quota}, "headers": _KEYED})
        self.organization.overrides[METER] = quota
        self._settle()

    def _acknowledge(self) -> None:
        """Somebody looks after an alert, and Alertmanager has a silence for it."""
        alerts = [one for one in self._open().values() if id(one) not in self._held]
        if not alerts:
            return
        alert = self.chance.choice(alerts)
        path = f"/api/v1/alerts?organization={self.name}&status=active"
        listed = self._send("GET", path, lambda: {"headers": _KEYED})["alerts"]
        # If there are others than the model has, the history will tell.
        for one in listed:
            if one["type"] == alert.type:
                path = f"/api/v1/alerts/{one['id']}/acknowledge"
                self._send("POST", path, lambda: {"json": {"note": "I look."}, "headers": _KEYED})
                alert.transitions.append(("acknowledged", alert.severity))
                self._held.add(id(alert))
                if self.waits:
                    wait_until(self._is_silent, AGAIN_SECONDS, f"{self.name} is silenced")

    def _renew(self) -> None:
        """A new period, in which nothing was used yet."""
        start, end = self.organization.period
        self.organization.period = Period(start + _STEP, end + _STEP)
        self._subscribe()
        self._settle()

    def _subscribe(self) -> None:
        """Stripe tells of the period."""
        start, end = self.organization.period
        event = fixture("subscription_created_basil", customer=f"cus_{self.name}", id=self.name)
        self._created_seconds += 1
        event["id"] = f"evt_{self.name}_{self._created_seconds}"
        event["created"] = self._created_seconds
        held = event["data"]["object"]
        held["metadata"] = {"organization_id": self.name}
        for item in held["items"]["data"]:
            item["price"]["id"] = "price_pro"
            item["current_period_start"] = int(start.timestamp())
            item["current_period_end"] = int(end.timestamp())
        body = _encode(event)
        self._send(
            "POST",
            STRIPE_PATH,
            lambda: {"data": body, "headers": {"Stripe-Signature": sign(body), **_JSON}},
        )

    def _used(self) -> int:
        start, end = (moment.timestamp() for moment in self.organization.period)
        return sum(
            quantity
            for (_, hour), (quantity, _) in self.organization.hours.items()
            if start <= hour < end
        )

    def _settle(self) -> None:
        severities = {id(alert): alert.severity for alert in self._open().values()}
        if self.organization.hours:
            self._model.settle(self.name, [METER])
        for alert in self._open().values():
            # Who saw to a warning has not seen that it became critical.
            if alert.severity == "critical" != severities.get(id(alert)):
                self._held.discard(id(alert))

    def _is_silent(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            query = {"filter": f'organization_id="{self.name}"'}
            url = f"{self.parts.alertmanager.url}/api/v2/silences"
            found = self._session.get(url, params=query, timeout=5).json()
            return any(one["status"]["state"] == "active" for one in found)
        return False

    def _send(self, method: str, path: str, make: Callable[[], dict[str, Any]]) -> Any:
        """Send it to one replica after the other until one has taken it; its answer."""
        deadline = time.monotonic() + _TAKEN_SECONDS
        never = threading.Event()
        for url in itertools.cycle(self.parts.urls()):
            assert time.monotonic() < deadline, f"{method} {path} is not taken"
            with contextlib.suppress(requests.RequestException):
                answer = self._session.request(method, f"{url}{path}", timeout=10, **make())
                if answer.status_code != 503:
                    assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
                    return answer.json()
            never.wait(_PAUSE_SECONDS)
        raise AssertionError


def _encode(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()
