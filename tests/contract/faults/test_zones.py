"""Row 27: how old a row is doesn't depend on the zone that the server or a session is set to."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from exporter.ledger.connection import connect
from exporter.monitors.upkeep import Prune
from tests.support.writing import ask, running

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC", "Pacific/Apia")
NEAR = timedelta(minutes=5)


def days_across_a_change_of_clocks(zone: str) -> int:
    """So many days ago, a local day was longer or shorter than 24 hours; 90 where none ever is."""
    now = datetime.now(UTC)
    today = now.astimezone(ZoneInfo(zone)).utcoffset()
    for days in range(35, 366):
        then = (now - timedelta(days=days)).astimezone(ZoneInfo(zone))
        if then.utcoffset() != today:
            return days
    return 90


@pytest.mark.parametrize("zone", ZONES)
async def test_what_is_deleted_is_as_old_as_its_days_in_any_zone(
    database_url: str, tmp_path: Path, zone: str
) -> None:
    """Half-open to the second: a moment older goes, a moment younger stays."""
    days = days_across_a_change_of_clocks(zone)
    async with running(database_url, tmp_path):
        pass  # the schema is there now
    with psycopg.connect(database_url, autocommit=True) as writing:
        for name, offset in (("older", NEAR), ("younger", -NEAR)):
            received = datetime.now(UTC) - timedelta(days=days) - offset
            writing.execute(
                b"INSERT INTO ledger.event_ids (source, scope, id, digest, received_at) "
                b"VALUES ('app', '', %s, 1, %s)",
                [name, received],
            )
    options = make_conninfo(database_url, options=f"-c TimeZone={zone}")
    async with await connect(options) as connection:
        await Prune(days)(connection)
    assert ask(database_url, "SELECT id FROM ledger.event_ids") == [("younger",)]
