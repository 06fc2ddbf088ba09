"""What is kept of alerts goes again: after a year, and with the customer that it names."""

import json

import psycopg

from exporter.ledger.connection import connect
from exporter.ledger.migrate import migrate
from exporter.ledger.queries import UPKEEP
from exporter.monitors.upkeep import ALERT_DAYS, Prune
from tests.support.alerts import ROWS, alert, message, send_message
from tests.support.command import command_of
from tests.support.exporter import ExporterProcess
from tests.support.writing import ask

_AGE = "UPDATE shared.alert_history SET last_received_at = now() - %s * interval '1 day'"
_FILL = """
INSERT INTO shared.alert_history
    (fingerprint, starts_at, labels, annotations, generator_url, receivers, last_received_at)
SELECT to_hex(g), now(), '{}', '{}', '', '{}', now() - g * interval '1 minute'
FROM generate_series(1, 20000) AS g
"""


def test_an_erased_customer_is_in_no_alert(exporter: ExporterProcess, database_url: str) -> None:
    ada, bob = "cus_Tz0Leopolda", "cus_Tz0Bohumil"
    for name, changes in {
        "Label": {"labels": {"alertname": "Label", "organization_id": ada}},
        "Text": {"annotations": {"summary": f'of "{ada}"'}},
        "Link": {"generatorURL": f"http://exporter/billing?customer={ada}"},
        "Other": {"labels": {"alertname": "Other", "organization_id": bob}},
        "Longer": {"annotations": {"summary": f"of {ada}Maria"}},
    }.items():
        assert send_message(exporter, message(alert(name, **changes))).status_code == 200
    command = command_of(exporter)
    for options in (("--dry-run",), ()):
        answer = command("erase", ada, *options, "-o", "json")
        assert (answer.returncode, answer.stderr) == (0, "")
        assert json.loads(answer.stdout)["found"]["alerts"] == 3
    assert {row[4] or row[6]["alertname"] for row in ask(database_url, ROWS)} == {"Other", "Longer"}


async def test_alerts_that_were_last_told_of_too_long_ago_go(database_url: str) -> None:
    migrate(database_url)
    ask(database_url, _FILL)
    ask(database_url, _AGE + " WHERE fingerprint < '2'", ALERT_DAYS + 1)
    ask(database_url, _AGE + " WHERE fingerprint LIKE 'f%%'", ALERT_DAYS - 1)
    ((young,),) = ask(
        database_url, "SELECT count(*) FROM shared.alert_history WHERE fingerprint >= '2'"
    )
    async with await connect(database_url) as connection:
        await Prune(40)(connection)
    assert ask(database_url, "SELECT count(*), min(fingerprint) FROM shared.alert_history") == [
        (young, "2")
    ]


def test_they_are_found_by_an_index(database_url: str) -> None:
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_FILL.encode())
        connection.execute("ANALYZE shared.alert_history")
        plan = connection.execute(
            b"EXPLAIN " + UPKEEP["prune_alert_history"], {"days": ALERT_DAYS, "rows": 5000}
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "Index Scan using alert_history_last_received_at" in text
    assert "Seq Scan" not in text
