"""Alerts as Alertmanager tells them, and which of two messages about the same one holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """One alert of a message; `fingerprint` and `starts_at` say which. `ends_at` is None while it
    fires, and an alert that ended is over for good: if its cause comes back, that is another one.

    One of an organisation also has `sent_at`: when the dispatcher last told Alertmanager of it. An
    Alertmanager that loses contact ends it, though it is open, and tells so; what was sent later
    holds against that. Its start stays that of the alert, whatever was lost in between.
    """

    fingerprint: str
    starts_at: datetime
    ends_at: datetime | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str = ""
    sent_at: datetime | None = None

    @property
    def key(self) -> tuple[str, datetime]:
        """What identifies it."""
        return self.fingerprint, self.starts_at

    @property
    def state(self) -> str:
        """`firing` or `resolved`."""
        return "firing" if self.ends_at is None else "resolved"

    @property
    def summary(self) -> str:
        """What it says to people, in one text; "" if it says nothing."""
        texts = (self.annotations.get(name) for name in ("summary", "description", "message"))
        return next((text for text in texts if text), "")


def settle(told: Iterable[ToldAlert]) -> list[ToldAlert]:
    """Each alert once, as it stands when all of this was told, in whatever order: as it was sent
    last, else ended if anybody said so, at the latest end.
    """
    settled: dict[tuple[str, datetime], ToldAlert] = {}
    for alert in told:
        known = settled.setdefault(alert.key, alert)
        if _is_later(alert, known):
            settled[alert.key] = alert
    return list(settled.values())


def _is_later(alert: ToldAlert, known: ToldAlert) -> bool:
    if alert.sent_at and known.sent_at and alert.sent_at != known.sent_at:
        return alert.sent_at > known.sent_at
    if alert.ends_at is None:
        return False
    return known.ends_at is None or alert.ends_at > known.ends_at
