"""What happens to alerts, on the console where no Alertmanager tells people."""

from dataclasses import dataclass, field

import structlog
from psycopg.rows import dict_row

from exporter.ledger.connection import Connection
from exporter.ledger.queries import DISPATCH
from exporter.monitors.supervisor import Monitor

INTERVAL_SECONDS = 2.0
MOST_PER_PASS = 200
# A transaction takes its numbers before it ends: those that are left out may come yet, for so many
# passes, and no more of them are remembered.
_WAITED_PASSES = 30
_MOST_MISSING = 10_000
_LONGEST_SHOWN = 300
_log = structlog.get_logger(component="alerts")


@dataclass
class TellConsole:
    """Logs each transition of an alert once, from where the last pass of any replica was."""

    _missing: dict[int, int] = field(default_factory=dict, init=False)

    async def __call__(self, connection: Connection) -> None:
        """One pass."""
        cursor = await connection.execute(DISPATCH["read_console_mark"])
        row = await cursor.fetchone()
        assert row is not None
        (mark,) = row
        async with connection.cursor(row_factory=dict_row) as rows:
            await rows.execute(
                DISPATCH["read_transitions"],
                {"mark": mark, "missing": [*self._missing], "rows": MOST_PER_PASS},
            )
            found = await rows.fetchall()
        for one in found:
            texts = {name: _shown(one[name]) for name in ("title", "organization_id", "note")}
            _log.info(
                "alert of an organisation",
                transition=one["transition"],
                type=one["type"],
                severity=one["severity"],
                **{name: text for name, text in texts.items() if text},
            )
        self._remember(mark, [one["number"] for one in found])
        await connection.execute(
            DISPATCH["move_console_mark"],
            {"mark": max((one["number"] for one in found), default=mark)},
        )

    def _remember(self, mark: int, numbers: list[int]) -> None:
        """Which numbers were left out, and for how many passes more they are looked for."""
        waiting = {number: passes - 1 for number, passes in self._missing.items() if passes > 1}
        known = set(numbers)
        if numbers and max(numbers) > mark:
            last = max(numbers)
            first = max(mark + 1, last - _MOST_MISSING)
            waiting |= dict.fromkeys(range(first, last), _WAITED_PASSES)
        self._missing = {
            number: passes for number, passes in waiting.items() if number not in known
        }


def _shown(text: str | None) -> str:
    """On one line, and not beyond it."""
    line = "".join(char if char.isprintable() else " " for char in text or "")
    return " ".join(line.split())[:_LONGEST_SHOWN]


CONSOLE_MONITOR = Monitor("console", INTERVAL_SECONDS, TellConsole())
