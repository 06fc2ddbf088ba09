"""What a ledger holds, in few figures: two ledgers with the same ones hold the same."""

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

TOTALS = "totals_sha256"
Figures = dict[str, Any]

_TABLES = """
SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE nspname IN ('ledger', 'shared') AND relkind = 'r' ORDER BY 1
"""
# Each series as a line; what folding has moved from one table to the other makes no difference.
_DIGEST = """
SELECT encode(sha256(convert_to(coalesce(string_agg(line, E'\\n' ORDER BY line COLLATE "C"), ''),
    'UTF8')), 'hex')
FROM (
    SELECT concat_ws('|', replica, epoch, metric, labels, part, layout, amount) AS line
    FROM ledger.current_totals WHERE amount <> 0
) AS lines
"""


def read_tables(connection: psycopg.Connection[Any]) -> list[str]:
    """The tables of the ledger, as `schema.table`."""
    return [name for (name,) in connection.execute(_TABLES)]


def figures_query(tables: Iterable[str]) -> sql.Composed:
    """A query for one JSON object: the number of rows by table, and a hash of all totals."""
    pairs: list[sql.Composable] = [
        sql.SQL("{}, ({})").format(sql.Literal(TOTALS), sql.SQL(_DIGEST))
    ]
    pairs += [
        sql.SQL("{}, (SELECT count(*) FROM {})").format(
            sql.Literal(table), sql.Identifier(*table.split(".", 1))
        )
        for table in tables
    ]
    return sql.SQL("SELECT jsonb_build_object({})").format(sql.SQL(", ").join(pairs))


def read_figures(connection: psycopg.Connection[Any]) -> Figures:
    """The figures of the connection's ledger; empty if it has none."""
    tables = read_tables(connection)
    if not tables:
        return {}
    row = connection.execute(figures_query(tables)).fetchone()
    return dict(row[0]) if row else {}
