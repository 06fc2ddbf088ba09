"""Rows of the dashboard about the audit log: what people do with alerts, and changes that hold."""

from dashboards.panels import Column, Panel, Row, Shown, Sql, Step, Target

_SEVERITIES = (
    Shown("critical", "critical", "red"),
    Shown("high", "high", "orange"),
    Shown("medium", "medium", "yellow"),
    Shown("low", "low", "blue"),
)
_WHEN = 170
_NONE_OPEN = "None"
_ABOUT = (
    Column("organization_id", "Organisation"),
    Column("type", "Type", width_pixels=150),
    Column("severity", "Severity", width_pixels=90, shown=_SEVERITIES),
)

ALERTS = Row(
    "Alerts of organisations",
    (
        Panel(
            title="Acknowledged and still open",
            kind="table",
            description=(
                "Alerts that somebody looks after, the longest held first: one that is held for "
                "days may be forgotten."
            ),
            targets=(
                Target(
                    Sql(
                        """
SELECT organization_id, type, severity, acknowledged_by AS holder,
    extract(epoch FROM now() - acknowledged_at) AS held, acknowledged_until AS until, note
FROM shared.billing_alerts
WHERE resolved_at IS NULL AND acknowledged_at IS NOT NULL
ORDER BY acknowledged_at
LIMIT 200
"""
                    )
                ),
            ),
            width=12,
            no_value=_NONE_OPEN,
            columns=(
                *_ABOUT,
                Column("holder", "By"),
                Column(
                    "held",
                    "For",
                    unit="s",
                    width_pixels=90,
                    steps=(Step("green"), Step("orange", 86_400.0), Step("red", 604_800.0)),
                ),
                Column("until", "Until", unit="dateTimeAsIso", width_pixels=_WHEN),
                Column("note", "Note"),
            ),
        ),
        Panel(
            title="Open and held by nobody",
            kind="table",
            description=(
                "Alerts that are open and that nobody has acknowledged, the most severe and "
                "oldest first."
            ),
            targets=(
                Target(
                    Sql(
                        """
SELECT organization_id, type, severity, title,
    extract(epoch FROM now() - created_at) AS age
FROM shared.billing_alerts
WHERE resolved_at IS NULL AND acknowledged_at IS NULL
ORDER BY array_position(ARRAY['critical', 'high', 'medium', 'low'], severity), created_at
LIMIT 200
"""
                    )
                ),
            ),
            width=12,
            no_value=_NONE_OPEN,
            columns=(
                *_ABOUT,
                Column("title", "Title"),
                Column("age", "For", unit="s", width_pixels=90),
            ),
        ),
        Panel(
            title="What people did with alerts",
            kind="table",
            description=(
                "Alerts that were acknowledged, given back or resolved in the chosen time, the "
                "newest first; not what the exporter or Alertmanager did by itself."
            ),
            targets=(
                Target(
                    Sql(
                        """
SELECT t.at, a.organization_id, a.type, t.severity, t.transition, t.actor, t.note
FROM shared.billing_alert_transitions AS t
JOIN shared.billing_alerts AS a ON a.id = t.alert_id
WHERE $__timeFilter(t.at) AND t.actor NOT IN ('exporter', 'alertmanager')
ORDER BY t.number DESC
LIMIT 500
"""
                    )
                ),
            ),
            width=24,
            height=10,
            no_value="Nothing in the chosen time",
            columns=(
                Column("at", "At", unit="dateTimeAsIso", width_pixels=_WHEN),
                *_ABOUT,
                Column("transition", "What", width_pixels=130),
                Column("actor", "Actor"),
                Column("note", "Note"),
            ),
        ),
    ),
)
STANDING = Row(
    "What holds now",
    (
        Panel(
            title="API keys",
            kind="table",
            description=(
                "The keys that there are, without their secrets, which the ledger doesn't have "
                "either."
            ),
            targets=(
                Target(
                    Sql(
                        """
SELECT key_id, name, array_to_string(scopes, ', ') AS scopes, organization_id,
    created_at, expires_at, revoked_at
FROM ledger.api_keys
ORDER BY revoked_at IS NOT NULL, created_at DESC
LIMIT 500
"""
                    )
                ),
            ),
            width=14,
            no_value="No key was made",
            columns=(
                Column("key_id", "Key", width_pixels=110),
                Column("name", "Name"),
                Column("scopes", "Scopes"),
                Column("organization_id", "Organisation"),
                Column("created_at", "Made", unit="dateTimeAsIso", width_pixels=_WHEN),
                Column("expires_at", "Ends", unit="dateTimeAsIso", width_pixels=_WHEN),
                Column("revoked_at", "Revoked", unit="dateTimeAsIso", width_pixels=_WHEN),
            ),
        ),
        Panel(
            title="Quotas set for organisations",
            kind="table",
            description=(
                "Quotas that hold instead of those of the plans; without a number there is none."
            ),
            targets=(
                Target(
                    Sql(
                        """
SELECT organization_id, meter, quota, set_by, set_at
FROM shared.quota_overrides
ORDER BY set_at DESC
LIMIT 500
"""
                    )
                ),
            ),
            width=10,
            no_value="Every plan's quota holds",
            columns=(
                Column("organization_id", "Organisation"),
                Column("meter", "Meter"),
                Column("quota", "Quota", unit="locale", width_pixels=100),
                Column("set_by", "By"),
                Column("set_at", "At", unit="dateTimeAsIso", width_pixels=_WHEN),
            ),
        ),
    ),
)
