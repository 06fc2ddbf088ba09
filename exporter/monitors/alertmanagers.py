"""Alertmanagers that are told of alerts, each in its own time: `Recipient`."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from exporter.alertmanager import Alertmanager, AlertmanagerFault
from exporter.catalogue.alert_metrics import DISPATCH_FAILURES, DISPATCH_LAST_SUCCESS
from exporter.catalogue.book import MICRO
from exporter.totals import Totals

BATCH_ALERTS = 200
_log = structlog.get_logger(component="alerts")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent at once: messages, and the numbers of what fires in them and of what ends."""

    messages: Sequence[Mapping[str, Any]]
    firing: Sequence[int]
    ended: Sequence[int]


@dataclass
class Recipient:
    """One Alertmanager, and how it went with it. `number` is its place among them, from 1; it
    `is_behind` if it doesn't know what it was last to be told. `life` tells one run of it from the
    next, which knows nothing of the alerts that this one was told of; it is empty while unknown.
    """

    target: Alertmanager
    number: str
    health: Totals
    is_behind: bool = field(default=False, init=False)
    life: str = field(default="", init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _is_asked: bool = field(default=False, init=False)
    _is_away: bool = field(default=False, init=False)
    _taken: list[tuple[str, Parcel]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.health.count(DISPATCH_FAILURES, (self.number,), 0)
        self.health.set(DISPATCH_LAST_SUCCESS, (self.number,), 0)

    def ask(self) -> asyncio.Task[None] | None:
        """Begin to ask which life it lives, unless it is busy or was asked since it was last told
        something: one that is slow to answer is told all the same.
        """
        return None if self._is_busy or self._is_asked else self._begin(self._ask())

    @property
    def is_ready(self) -> bool:
        """Whether it would be told something now."""
        return self._is_asked and not self._is_busy

    def tell(self, parcel: Parcel) -> asyncio.Task[None] | None:
        """Begin to send all of it, unless it is busy, or couldn't even be asked."""
        self.is_behind = not self.is_ready
        return self._begin(self._send(parcel)) if self.is_ready else None

    def collect_taken(self) -> list[tuple[str, Parcel]]:
        """What was surely taken since this was asked last, each with the life that took it."""
        taken, self._taken = self._taken, []
        return taken

    @property
    def _is_busy(self) -> bool:
        return self._task is not None and not self._task.done()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self._task = asyncio.create_task(work)
        return self._task

    async def _ask(self) -> None:
        try:
            self.life = await self._read_life()
            self._is_asked = True
        except AlertmanagerFault as fault:
            self._note_failure(fault)

    async def _send(self, parcel: Parcel) -> None:
        self._is_asked = False
        before = self.life
        try:
            for at in range(0, len(parcel.messages), BATCH_ALERTS):
                batch = parcel.messages[at : at + BATCH_ALERTS]
                await asyncio.to_thread(self.target.send_alerts, batch)
            self.life = await self._read_life()
        except AlertmanagerFault as fault:
            self._note_failure(fault)
            return
        if self.life != before:
            # Which of the two took it, nobody knows.
            self.is_behind = True
        elif before:
            self._taken.append((before, parcel))
        if self._is_away:
            _log.info("alerts are sent again", alertmanager=self.target.address)
        self._is_away = False
        self.health.set(DISPATCH_LAST_SUCCESS, (self.number,), round(time.time() * MICRO))

    def _note_failure(self, fault: AlertmanagerFault) -> None:
        self.health.count(DISPATCH_FAILURES, (self.number,))
        if not self._is_away:
            _log.warning("alerts could not be sent", error=str(fault))
        self._is_away = self.is_behind = True
        self.life = ""

    async def _read_life(self) -> str:
        """Empty if it answers, but doesn't say: whether it takes alerts is another matter."""
        try:
            return (await asyncio.to_thread(self.target.read_status)).uptime
        except AlertmanagerFault as fault:
            if fault.status is None:
                raise
            return ""
