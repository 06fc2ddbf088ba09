"""So many kills in one run: lives go on meanwhile, and the end is compared with the models."""

import itertools
import random
import threading
from collections import Counter
from dataclasses import dataclass, field

import psycopg

from chaos.figures import Figures, Result
from chaos.kills.inbox import Repeats, find_repeats
from chaos.kills.lives import Life
from chaos.kills.parts import REMIND_SECONDS, Parts, Plan, set_up
from chaos.seed import tried
from chaos.stage import pause

LIVES = 6
_CALM_SECONDS = 1.0
_END_SECONDS = 300.0
_SHOWN = 20
_HISTORY = """
SELECT a.organization_id, a.type, extract(epoch FROM a.period_start)::bigint, t.transition,
    t.severity
FROM shared.billing_alerts AS a JOIN shared.billing_alert_transitions AS t ON t.alert_id = a.id
WHERE t.transition <> 'notified' ORDER BY t.number
"""
_NOTIFIED = """
SELECT count(*) FROM shared.billing_alert_transitions WHERE transition = 'notified'
"""
Transition = tuple[str, str]
# By organisation, type and period, in their order.
Histories = dict[tuple[str, str, int], list[Transition]]


@dataclass
class Crowd:
    """Lives, so many at a time, each followed by another until `stop`."""

    parts: Parts
    seed: int
    lives: list[Life] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Let them begin."""
        for client in range(LIVES):
            thread = threading.Thread(target=self._live, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Wait until all have come to their end."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(_END_SECONDS)
            if thread.is_alive():
                self.wrong.append("a life has not come to its end")

    def _live(self, client: int) -> None:
        for number in itertools.count():
            if self._stopped.is_set():
                return
            name = f"org-{client}-{number}"
            chance = random.Random(f"{self.seed} {name}")
            life = Life(name, self.parts, chance, waits=chance.random() > 1 / 3)
            self.lives.append(life)
            try:
                life.live(self._stopped)
            except Exception as error:  # noqa: BLE001 - whatever it was, the run must tell
                self.wrong.append(f"{name}: {error!r}")
                return


def run_kills(seed: int, kills: int) -> Result:
    """Carry them out, each of the three in turn."""
    chance = random.Random(f"kills {seed}")
    plan = Plan.of(seed)
    result = Result({"kills": kills})
    with (
        tried(result, f"seed {seed}: {kills} kills, {plan}") as folder,
        set_up(folder, plan, chance) as parts,
    ):
        crowd = Crowd(parts, seed)
        try:
            crowd.start()
            kinds = {
                "dispatcher_kill": parts.kill_dispatcher,
                "alertmanager_kill": parts.kill_alertmanager,
                "receiver_kill": parts.kill_receiver,
            }
            for kind in itertools.islice(itertools.cycle(kinds), kills):
                pause(chance.uniform(0, _CALM_SECONDS))
                result.injected[kind] = result.injected.get(kind, 0) + 1
                kinds[kind]()
            crowd.stop()
            result.figures |= judge(crowd)
            result.recover(parts.again)
            assert not crowd.wrong, crowd.wrong
        finally:
            result.log = "\n".join([*parts.notes, *_told(crowd)])
    return result


def judge(crowd: Crowd) -> Figures:
    """The history against the models, and what people were told."""
    parts = crowd.parts
    found, notified = read_history(parts.database.conninfo)
    repeats = _repeats(parts)
    again = max((seconds for _, seconds in parts.again), default=0.0)
    return compare(expect_history(crowd.lives), found) | {
        "organizations": len(crowd.lives),
        "transitions_notified": notified,
        "messages": len(parts.inbox.all()),
        "messages_awaited": sum(life.told for life in crowd.lives),
        "untold": sum(len(life.untold) for life in crowd.lives),
        "repeats_after_alertmanager_kill": repeats.after_alertmanager,
        "repeats_after_cut_answer": repeats.after_cut_answer,
        "reminders": repeats.reminders,
        "repeats_unexplained": len(repeats.unexplained),
        "told_again_seconds_max": again,
    }


def compare(expected: Histories, found: Histories) -> Figures:
    """What the ledger lacks of what the models have, or has beside it, or in another order."""
    wanted, had = _counted(expected), _counted(found)
    return {
        "transitions": wanted.total(),
        "transitions_lost": (wanted - had).total(),
        "transitions_doubled": (had - wanted).total(),
        "transitions_misordered": sum(
            sorted(rows) == sorted(found.get(key, ())) and rows != found[key]
            for key, rows in expected.items()
        ),
    }


def read_history(conninfo: str) -> tuple[Histories, int]:
    """The transitions in the ledger, and how many tell that people were notified."""
    found: Histories = {}
    with psycopg.connect(conninfo) as connection:
        for name, type_, period, *transition in connection.execute(_HISTORY):
            happened, severity = transition
            found.setdefault((name, type_, period), []).append((happened, severity))
        row = connection.execute(_NOTIFIED).fetchone()
    assert row is not None
    return found, row[0]


def expect_history(lives: list[Life]) -> Histories:
    """The transitions that the models have."""
    expected: Histories = {}
    for life in lives:
        for alert in life.organization.alerts:
            assert alert.period_start is not None
            key = (life.name, alert.type, int(alert.period_start.timestamp()))
            expected.setdefault(key, []).extend(alert.transitions)
    return expected


def _repeats(parts: Parts) -> Repeats:
    told = parts.inbox.all()
    return find_repeats(told, parts.inbox.answered, REMIND_SECONDS)


def _counted(histories: Histories) -> Counter[tuple[object, ...]]:
    return Counter((*key, *row) for key, rows in histories.items() for row in rows)


def _told(crowd: Crowd) -> list[str]:
    """Everything that should not have happened."""
    lines = [*crowd.wrong, *(text for life in crowd.lives for text in life.untold)][:_SHOWN]
    lines += [f"again: {one}" for one in _repeats(crowd.parts).unexplained[:_SHOWN]]
    names = {one.subject.organization_id for one in _repeats(crowd.parts).unexplained}
    names |= {life.name for life in crowd.lives if life.untold}
    told = (one for one in crowd.parts.inbox.all() if one.subject.organization_id in names)
    lines += [f"told: {one}" for one in told]
    found, expected = read_history(crowd.parts.database.conninfo)[0], expect_history(crowd.lives)
    for key in sorted(found.keys() | expected.keys()):
        if found.get(key) != expected.get(key):
            lines.append(f"{key}: {found.get(key)}, not {expected.get(key)}")
    return lines
