"""What a database's catalogs say of its schema, comparable between databases."""

import psycopg

_ASPECTS = {
    "schemas": """
        SELECT nspname::text, nspacl::text FROM pg_namespace
        WHERE nspname IN ('ledger', 'shared')
    """,
    "relations": """
        SELECT oid::regclass::text, relkind::text, relpersistence::text, relacl::text,
            reloptions::text, relrowsecurity, relforcerowsecurity
        FROM pg_class WHERE relnamespace::regnamespace::text IN ('ledger', 'shared')
    """,
    "columns": """
        SELECT c.oid::regclass::text,
            row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname::text,
            format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
            pg_get_expr(d.adbin, d.adrelid), a.attacl::text
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace::regnamespace::text IN ('ledger', 'shared')
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace::regnamespace::text IN ('ledger', 'shared')
    """,
    "indexes": """
        SELECT indexname::text, indexdef FROM pg_indexes
        WHERE schemaname IN ('ledger', 'shared')
    """,
    "views": """
        SELECT schemaname::text, viewname::text, definition FROM pg_views
        WHERE schemaname IN ('ledger', 'shared')
    """,
    "functions": """
        SELECT oid::regprocedure::text, pg_get_functiondef(oid), proacl::text,
            obj_description(oid, 'pg_proc')
        FROM pg_proc WHERE pronamespace::regnamespace::text IN ('ledger', 'shared')
    """,
    "policies": """
        SELECT schemaname::text, tablename::text, policyname::text, permissive, roles::text, cmd,
            qual, with_check
        FROM pg_policies WHERE schemaname IN ('ledger', 'shared')
    """,
    "triggers": """
        SELECT t.tgrelid::regclass::text, pg_get_triggerdef(t.oid)
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal
            AND c.relnamespace::regnamespace::text IN ('ledger', 'shared')
    """,
}


def describe_schema(conninfo: str) -> dict[str, set[tuple[object, ...]]]:
    """Relations, columns, defaults, constraints, indexes, views and rights, each as rows."""
    with psycopg.connect(conninfo) as connection:
        return {
            name: set(connection.execute(query.encode()).fetchall())
            for name, query in _ASPECTS.items()
        }
