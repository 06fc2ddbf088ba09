"""Gives a ledger the totals at the end of a past, so that its counters go on from there."""

from typing import Any

import psycopg

from exporter.catalogue.metrics import PAYMENT_AMOUNT
from exporter.catalogue.model import Increment
from exporter.catalogue.own_metrics import OWN_METRICS, REVENUE_AMOUNT, REVENUE_EXPECTED_AMOUNT
from exporter.ledger import stored_series
from history.past import Gauges
from history.writing import History

_HOUR_SECONDS = 3600
_BY_NAME = {metric.name: metric for metric in OWN_METRICS if metric.kind == "gauge"}
# Times, and what the past reckons itself.
_LEFT_OUT = {REVENUE_AMOUNT.name, REVENUE_EXPECTED_AMOUNT.name}
_FORGET = """
DELETE FROM ledger.increments;
DELETE FROM ledger.totals;
DELETE FROM ledger.revenue_marks;
DELETE FROM ledger.hourly_revenue;
"""
_ADD_TOTALS = """
INSERT INTO ledger.totals (replica, epoch, metric, labels, part, layout, amount)
SELECT l.replica, l.epoch, r.metric, r.labels, r.part, r.layout, r.amount
FROM ledger.leases AS l, jsonb_to_recordset(%s::jsonb)
    AS r (metric text, labels jsonb, part text, layout smallint, amount numeric)
WHERE l.replica = %s
"""
_MARK_REVENUE = """
INSERT INTO ledger.revenue_marks (source, livemode, currency, total_minor, measured_at)
SELECT labels ->> 'source', labels ->> 'livemode' = 'true', labels ->> 'currency', sum(amount),
    to_timestamp(%s)
FROM ledger.current_totals WHERE metric = %s GROUP BY 1, 2, 3
"""
_ADD_REVENUE = """
INSERT INTO ledger.hourly_revenue
VALUES (to_timestamp(%s), %s, %s::boolean, %s, %s, %s)
"""


def hand_over(connection: psycopg.Connection[Any], history: History, replica: str) -> None:
    """Put the totals and the hourly revenue of a past in place of what the ledger has; no exporter
    runs on it, but one did as this replica.
    """
    increments = [Increment(*item) for item in history.totals.items()]
    with connection.transaction():
        connection.execute(_FORGET)
        encoded = stored_series.encode(increments).decode()
        connection.execute(_ADD_TOTALS, [encoded, replica])
        connection.execute(_MARK_REVENUE, [history.end_seconds, PAYMENT_AMOUNT.name])
        for hour, revenue in history.revenue.items():
            measured = min(hour + _HOUR_SECONDS, history.end_seconds) - max(
                hour, history.start_seconds
            )
            for (source, livemode, currency), minor in revenue.items():
                row = [hour, source, livemode, currency, minor, measured]
                connection.execute(_ADD_REVENUE, row)


def read_gauges(connection: psycopg.Connection[Any]) -> Gauges:
    """What the ledger's monitors wrote of the business as it is now."""
    found: dict[Any, dict[tuple[str, ...], int]] = {}
    rows = connection.execute("SELECT metric, labels, value FROM ledger.gauges ORDER BY 1, 2")
    for name, labels, value in rows:
        metric = _BY_NAME.get(name)
        if metric and name not in _LEFT_OUT and metric.unit != "seconds":
            values = tuple(labels[label.name] for label in metric.labels)
            found.setdefault(metric, {})[values] = value
    return found
