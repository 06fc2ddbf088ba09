"""The audit log: what was changed, acknowledged or refused, by whom; asked of the ledger itself."""

from dashboards.boards.audit_alerts import ALERTS, STANDING
from dashboards.panels import Column, Dashboard, Panel, Row, Shown, Sql, Step, Target, Variable
from dashboards.variables import DATASOURCE, POSTGRES

NOTHING = "Nothing in the chosen time"
_CHOSEN = """
$__timeFilter(at)
    AND actor = ANY (ARRAY[${actor:sqlstring}]::text[])
    AND action = ANY (ARRAY[${action:sqlstring}]::text[])
    AND outcome = ANY (ARRAY[${outcome:sqlstring}]::text[])
""".strip()
_OUTCOMES = (
    Shown("done", "done", "green"),
    Shown("failed", "failed", "orange"),
    Shown("refused", "refused", "red"),
)
_ROWS_MOST = 500


def _variable(name: str, label: str, text: str) -> Variable:
    return Variable(name, label, Sql(text), multiple=True)


def _count(title: str, what: str, description: str, *steps: Step) -> Panel:
    return Panel(
        title=title,
        kind="stat",
        description=description,
        targets=(
            Target(Sql(f'SELECT {what} AS "{title}"\nFROM ledger.audit_log\nWHERE {_CHOSEN}')),
        ),
        unit="short",
        width=6,
        height=4,
        decimals=0,
        steps=steps,
        no_value="0",
    )


_OVERVIEW = Row(
    "In the chosen time",
    (
        _count("Done", "count(*) FILTER (WHERE outcome = 'done')", "Acts that were carried out."),
        _count(
            "Failed",
            "count(*) FILTER (WHERE outcome = 'failed')",
            "Acts that were allowed and did not succeed.",
            Step("green"),
            Step("orange", 1.0),
        ),
        _count(
            "Refused",
            "count(*) FILTER (WHERE outcome = 'refused')\n"
            "    + coalesce(sum((details ->> 'unwritten_before')::bigint)\n"
            "        FILTER (WHERE outcome = 'refused'), 0)",
            "Attempts to use admin rights without having them. One row a minute is written of each "
            "actor and reason; those it says it stands for are counted too.",
            Step("green"),
            Step("red", 1.0),
        ),
        _count("Actors", "count(DISTINCT actor)", "How many keys, users and roles acted."),
        Panel(
            title="Acts by outcome",
            kind="timeseries",
            description="How many acts there were at each moment, by what came of them.",
            targets=(
                Target(
                    Sql(
                        "SELECT $__timeGroupAlias(at, $__interval), outcome AS metric,\n"
                        '    count(*) AS "acts"\n'
                        f"FROM ledger.audit_log\nWHERE {_CHOSEN}\n"
                        "GROUP BY 1, 2\nORDER BY 1, 2"
                    )
                ),
            ),
            unit="short",
            width=12,
            bars=True,
            stacked=True,
            decimals=0,
            no_value=NOTHING,
        ),
        Panel(
            title="Who did what",
            kind="table",
            description="By actor and action: how often, and when last.",
            targets=(
                Target(
                    Sql(
                        "SELECT actor, action, outcome, count(*) AS acts, max(at) AS last\n"
                        f"FROM ledger.audit_log\nWHERE {_CHOSEN}\n"
                        "GROUP BY actor, action, outcome\nORDER BY acts DESC, last DESC\n"
                        f"LIMIT {_ROWS_MOST}"
                    )
                ),
            ),
            width=12,
            no_value=NOTHING,
            columns=(
                Column("actor", "Actor"),
                Column("action", "Action"),
                Column("outcome", "Outcome", width_pixels=90, shown=_OUTCOMES),
                Column("acts", "Acts", unit="short", width_pixels=70),
                Column("last", "Last", unit="dateTimeAsIso", width_pixels=170),
            ),
        ),
    ),
)
_ACTS = Row(
    "Acts",
    (
        Panel(
            title="What was done",
            kind="table",
            description=(
                f"Each act with admin rights, the newest {_ROWS_MOST} first: keys made and "
                "revoked, dead letters replayed, alerts acknowledged and resolved, quotas set, "
                "customers mapped and erased, backups restored, and what was refused."
            ),
            targets=(
                Target(
                    Sql(
                        "SELECT at, actor, action, target AS about, outcome,\n"
                        "    details::text AS details\n"
                        f"FROM ledger.audit_log\nWHERE {_CHOSEN}\n"
                        f"ORDER BY number DESC\nLIMIT {_ROWS_MOST}"
                    )
                ),
            ),
            width=24,
            height=12,
            no_value=NOTHING,
            columns=(
                Column("at", "At", unit="dateTimeAsIso", width_pixels=170),
                Column("actor", "Actor", width_pixels=260),
                Column("action", "Action", width_pixels=180),
                Column("about", "About"),
                Column("outcome", "Outcome", width_pixels=90, shown=_OUTCOMES),
                Column("details", "Details"),
            ),
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="billing-audit",
    title="Billing: the audit log",
    description=(
        "What was changed, acknowledged or refused, and by whom. It asks the ledger as the role "
        "billing_auditor: docs/dashboards.md says how to set up the data source."
    ),
    rows=(_OVERVIEW, _ACTS, ALERTS, STANDING),
    variables=(
        DATASOURCE,
        POSTGRES,
        _variable("actor", "Actor", "SELECT DISTINCT actor FROM ledger.audit_log ORDER BY 1"),
        _variable("action", "Action", "SELECT DISTINCT action FROM ledger.audit_log ORDER BY 1"),
        _variable("outcome", "Outcome", "SELECT unnest(ARRAY['done', 'failed', 'refused'])"),
    ),
    since="now-30d",
    refresh="5m",
)
