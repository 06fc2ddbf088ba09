"""What the receiver has on disk."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Subject(NamedTuple):
    """What an alert is about; `label` is its severity as a label."""

    organization_id: str
    type: str
    label: str


@dataclass(frozen=True, slots=True)
class Told:
    """One alert of one message: `took` names the message, `at_seconds` is when it came (Unix), and
    `life` tells which start of Alertmanager it is from.
    """

    subject: Subject
    status: str
    starts_at: str
    took: str
    at_seconds: float
    life: str

    @property
    def key(self) -> tuple[Subject, str, str]:
        """What is the same in a repetition."""
        return self.subject, self.status, self.starts_at


@dataclass
class Inbox:
    """Reads the receiver's file as it grows. Any thread may ask."""

    path: Path
    told: list[Told] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    _of: dict[Subject, list[Told]] = field(default_factory=dict)
    _offset: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def about(self, subject: Subject, status: str) -> list[Told]:
        """All that came about it by now, the oldest first."""
        with self._lock:
            self._read()
            return [one for one in self._of.get(subject, ()) if one.status == status]

    def since(self, at_seconds: float) -> bool:
        """Whether anything came since then."""
        with self._lock:
            self._read()
            return bool(self.told) and self.told[-1].at_seconds > at_seconds

    def all(self) -> list[Told]:
        """Everything that came by now."""
        with self._lock:
            self._read()
            return [*self.told]

    def _read(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        whole = new.rfind(b"\n") + 1
        self._offset += whole
        for line in filter(None, new[:whole].split(b"\n")):
            try:
                content = json.loads(line)
            except ValueError:
                # Cut by a kill, so it was not answered either.
                continue
            if "answered" in content:
                self.answered.add(content["answered"])
                continue
            for one in _alerts(content):
                self.told.append(one)
                self._of.setdefault(one.subject, []).append(one)


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many alerts came again, by why."""

    after_alertmanager: int
    after_cut_answer: int
    reminders: int
    unexplained: list[Told]


def find_repeats(told: Sequence[Told], answered: set[str], remind_seconds: float) -> Repeats:
    """Sort what came again: Alertmanager was killed in between, or the receiver was before it had
    answered, or it was to be repeated after so many seconds; or for no reason.
    """
    last: dict[tuple[Subject, str, str], Told] = {}
    killed = cut = reminders = 0
    unexplained = []
    for one in told:
        before = last.get(one.key)
        last[one.key] = one
        if before is None:
            continue
        if before.life != one.life:
            killed += 1
        elif before.took not in answered:
            cut += 1
        elif one.at_seconds - before.at_seconds >= remind_seconds:
            reminders += 1
        else:
            unexplained.append(one)
    return Repeats(killed, cut, reminders, unexplained)


def _alerts(content: dict[str, Any]) -> Iterator[Told]:
    for alert in content["message"]["alerts"]:
        labels = alert["labels"]
        subject = Subject(labels["organization_id"], labels["type"], labels["severity"])
        yield Told(
            subject,
            alert["status"],
            alert["startsAt"],
            content["took"],
            content["at"],
            content["message"]["externalURL"],
        )
