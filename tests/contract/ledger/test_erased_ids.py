"""Hashes that are left of erased ids."""

from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.monitors.upkeep import Prune
from tests.support.writing import ask


async def test_hashes_of_ids_go_when_the_ids_would_have_gone(database_url: str) -> None:
    migrate(database_url)
    ask(
        database_url,
        "INSERT INTO ledger.erased VALUES ('old', now() - interval '41 days'), "
        "('young', now() - interval '39 days'), ('once', 'infinity')",
    )
    async with await connect(database_url) as connection:
        await Prune(40)(connection)
    assert ask(database_url, "SELECT hash FROM ledger.erased ORDER BY 1") == [
        (b"once",),
        (b"young",),
    ]
