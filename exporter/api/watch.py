"""Finds out what happens to alerts, by the numbers of their transitions."""

from typing import Any

import psycopg

from exporter.ledger.billing_alerts import News, read_news, read_settled_number
from exporter.ledger.questions import ask_on

# No transaction that raises alerts takes so long.
_SETTLED_SECONDS = 120.0
_NEWS_AT_ONCE = 1000

Connection = psycopg.Connection[tuple[Any, ...]]


class Watch:
    """Finds each transition once. Numbers are given before transactions end, so a lower one than
    was seen may still come: those above `settled` are looked for again and again.
    """

    def __init__(self, connection: Connection) -> None:
        """What there is by now isn't news."""
        self._settled = ask_on(connection, read_settled_number(_SETTLED_SECONDS))
        self._seen: set[int] = set()
        self.look(connection)

    def look(self, connection: Connection) -> list[News]:
        """What wasn't seen before, the oldest first."""
        settled = ask_on(connection, read_settled_number(_SETTLED_SECONDS))
        found: list[News] = []
        after = self._settled
        while True:
            page = ask_on(connection, read_news(after, _NEWS_AT_ONCE))
            found += [one for one in page if one.number not in self._seen]
            self._seen.update(one.number for one in page)
            if len(page) < _NEWS_AT_ONCE:
                break
            after = page[-1].number
        self._settled = max(self._settled, settled)
        self._seen = {number for number in self._seen if number > self._settled}
        return found
