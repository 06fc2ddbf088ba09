"""What stands before the real functions and tables on somebody's search_path is never called."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from exporter.ledger.embedded import EmbeddedServer
from tests.support.access import OPERATOR, Shown, two_organizations

CALLS = (
    "SELECT * FROM shared.calculate_billing_health_score('acme')",
    "SELECT * FROM shared.detect_usage_anomalies(24, 2.0)",
    "SELECT * FROM shared.get_billing_dashboard_metrics('acme')",
    "SELECT shared.auto_resolve_stale_alerts()",
)
SHADOWED_TABLES = """
SELECT relname::text FROM pg_class
WHERE relnamespace IN ('shared'::regnamespace, 'ledger'::regnamespace) AND relkind = 'r'
"""
# Some of what ours call; each fails when it is called.
SHADOWS = """
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.hijacked() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'hijacked';
END
$$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql
AS 'SELECT evil.hijacked()::timestamptz';
CREATE FUNCTION evil.date_trunc(text, timestamptz, text) RETURNS timestamptz LANGUAGE sql
AS 'SELECT evil.hijacked()::timestamptz';
CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql
AS 'SELECT evil.hijacked()';
CREATE FUNCTION evil.floor(numeric) RETURNS numeric LANGUAGE sql
AS 'SELECT evil.hijacked()::numeric';
CREATE FUNCTION evil.equal(text, text) RETURNS boolean LANGUAGE sql
AS 'SELECT evil.hijacked()::boolean';
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.equal);
CREATE FUNCTION evil.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql
AS 'SELECT evil.hijacked()::boolean';
CREATE OPERATOR evil.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.less);
CREATE FUNCTION evil.concat(text, text) RETURNS text LANGUAGE sql AS 'SELECT evil.hijacked()';
CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.concat);
CREATE FUNCTION evil.more(numeric, numeric) RETURNS boolean LANGUAGE sql
AS 'SELECT evil.hijacked()::boolean';
CREATE OPERATOR evil.> (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = evil.more);
CREATE FUNCTION evil.unprotected() RETURNS boolean LANGUAGE sql
AS 'SELECT clock_timestamp() IS NOT NULL';
"""


@pytest.fixture(scope="module", params=["postgres", "oldest_postgres"])
def shown(request: pytest.FixtureRequest) -> Iterator[Shown]:
    """Two organisations, with shadows of nearly everything."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, EmbeddedServer)
    with two_organizations(server) as found:
        with psycopg.connect(found.superuser) as connection:
            connection.execute(SHADOWS)
        yield found


def answers(shown: Shown, *, shadowed: bool) -> list[list[tuple[Any, ...]]]:
    """What the operator is answered."""
    with shown.acting(OPERATOR) as connection:
        if shadowed:
            tables = connection.execute(SHADOWED_TABLES.encode()).fetchall()
            for (table,) in tables:
                connection.execute(f"CREATE TEMP TABLE {table} (organization_id text)".encode())
            connection.execute("SET LOCAL search_path = pg_temp, evil, pg_catalog, shared")
            with (
                pytest.raises(psycopg.errors.RaiseException, match="hijacked"),
                connection.transaction(),
            ):
                connection.execute("SELECT evil.unprotected()")
        return [connection.execute(call.encode()).fetchall() for call in CALLS]


def test_shadows_of_functions_operators_and_tables_are_not_called(shown: Shown) -> None:
    plain = answers(shown, shadowed=False)
    assert all(plain)
    assert answers(shown, shadowed=True) == plain
