"""Two organisations in a database, and every role that there is, to see what each is shown."""

# ruff: noqa: S608 - the names in its queries are those of the database's own catalog

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from tests.support.database import new_database
from tests.support.writing import ask

OURS, FOREIGN = "acme", "globex"
WRITER, READER, OPERATOR, AUDITOR, STRANGER = (
    "billing_writer",
    "billing_reader",
    "billing_operator",
    "billing_auditor",
    "stranger",
)
PASSWORD = "a-password-for-tests-only"
_FUNCTIONS = """
SELECT p.oid::regprocedure::text, p.pronamespace::regnamespace::text, p.proname::text,
    ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) AS t)
FROM pg_proc AS p
WHERE p.pronamespace::regnamespace::text IN ('ledger', 'shared')
    AND p.prorettype <> 'trigger'::regtype
ORDER BY 1
"""
# What stands for any value of a type; FOREIGN wherever a text is asked for.
_VALUES = {
    "boolean": "true",
    "jsonb": "'{}'",
    "numeric": "2.0",
    "text": f"'{FOREIGN}'",
    "timestamp with time zone": "clock_timestamp()",
    "timestamp without time zone": "localtimestamp",
    "interval": "interval '1 hour'",
    "uuid": "gen_random_uuid()",
    "bytea": "''",
}


def value_of(type_name: str) -> str:
    """An expression of that type."""
    if type_name.endswith("[]"):
        return f"'{{}}'::{type_name}"
    if "." in type_name:
        return f"NULL::{type_name}"
    return f"({_VALUES.get(type_name, '24')})::{type_name}"


@dataclass(frozen=True)
class Shown:
    """A database of OURS and FOREIGN; `superuser` connects to it."""

    server: EmbeddedServer
    owner: str
    superuser: str

    @contextlib.contextmanager
    def acting(self, role: str, organization: str = OURS) -> Iterator[psycopg.Connection[Any]]:
        """A transaction as that role, for that organisation, of which nothing remains."""
        with psycopg.connect(self.superuser) as connection:
            connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(role)))
            connection.execute(
                "SELECT set_config('billing.organization_id', %s, true)", (organization,)
            )
            yield connection
            connection.rollback()

    def rows(self, role: str, query: str, organization: str = OURS) -> list[str] | None:
        """The rows as texts; None if the role may not ask."""
        with self.acting(role, organization) as connection:
            try:
                return [str(row) for row in connection.execute(query.encode()).fetchall()]
            except psycopg.errors.InsufficientPrivilege:
                return None

    def relations(self, kinds: str = "rpv") -> list[str]:
        found = ask(
            self.owner,
            "SELECT oid::regclass::text FROM pg_class WHERE relkind::text = ANY (%s) "
            "AND relnamespace::regnamespace::text IN ('ledger', 'shared') ORDER BY 1",
            list(kinds),
        )
        return [str(name) for (name,) in found]

    def calls(self) -> dict[str, str]:
        """A query that calls it for FOREIGN, by function."""
        found: Any = ask(self.owner, _FUNCTIONS)
        return {
            function: f"SELECT * FROM {schema}.{name}({', '.join(map(value_of, types))})"
            for function, schema, name, types in found
        }

    def conninfo(self, role: str) -> str:
        """How one of the roles that were made logs in."""
        return make_conninfo(self.owner, user=role, password=PASSWORD)


@contextlib.contextmanager
def two_organizations(server: EmbeddedServer) -> Iterator[Shown]:
    """A database in which every table about organisations has rows of both."""
    superuser = server.conninfo("postgres")
    for role in (WRITER, AUDITOR, STRANGER):
        make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), PASSWORD)
        ask(superuser, make.as_string(None))
    try:
        with new_database(server) as owner:
            migrate(owner)
            name = conninfo_to_dict(owner)["dbname"]
            shown = Shown(server, owner, make_conninfo(superuser, dbname=name))
            _fill(shown)
            yield shown
    finally:
        ask(superuser, f"DROP ROLE {WRITER}, {AUDITOR}, {STRANGER}")


def _fill(shown: Shown) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    at = int(now.timestamp())
    meter = "INSERT INTO shared.plan_meters VALUES ('pro', 'api_calls', 10, '{}', 'usd', 2)"
    ask(shown.owner, meter)
    hours = [(now - timedelta(hours=n), 100 if n == 1 else 20) for n in range(1, 12 * 24)]
    for organization in (OURS, FOREIGN):
        facts = {
            "usage": [
                {"organization_id": organization, "scope": "s", "customer_id": f"c {organization}",
                 "meter": "api_calls", "hour": int(hour.timestamp()), "quantity": units,
                 "events": 1, "last_at": hour.timestamp()}
                for hour, units in hours
            ],
            "plans": [{"organization_id": organization, "plan": "pro", "at": at, "event": "e"}],
            "payments": [{"organization_id": organization, "failed": True, "at": at,
                          "amount_minor": 1, "currency": "usd", "decimals": 2}],
        }  # fmt: skip
        ask(shown.owner, "SELECT ledger.apply_facts(now(), %s)", json.dumps(facts))
        for table in shown.relations("rp"):
            _add_row(shown.owner, table, organization)
    labels = json.dumps({"organization_id": FOREIGN})
    ask(
        shown.owner,
        "INSERT INTO shared.alert_history (fingerprint, starts_at, labels, annotations, "
        "generator_url, receivers) VALUES ('f', now(), %s, '{}', '', '{}')",
        labels,
    )


def _add_row(conninfo: str, table: str, organization: str) -> None:
    """One of the organisation's, if the table has organisations and none of this one."""
    columns: Any = ask(
        conninfo,
        "SELECT a.attname::text, format_type(a.atttypid, NULL) FROM pg_attribute AS a "
        "LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
        "WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped "
        "AND (a.attname = 'organization_id' OR a.attnotnull AND d.adbin IS NULL "
        "AND a.attidentity = '' AND a.attgenerated = '')",
        table,
    )
    names = [name for name, _ in columns]
    if not table.startswith("shared.") or "organization_id" not in names:
        return
    if ask(conninfo, f"SELECT 1 FROM {table} WHERE organization_id = %s", organization):
        return
    values = ", ".join(value_of(type_name) for _, type_name in columns)
    values = values.replace(FOREIGN, organization)
    ask(conninfo, f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})")
