-- name: write_aggregates
-- Organisations by meter and level, what is over the quota and what that costs, and open anomalies:
-- one pass over the current periods, and one over the open alerts.
WITH figures AS MATERIALIZED (
    SELECT
        meter, level, currency, count(*) AS organizations,
        sum(used - quota) FILTER (WHERE level = 3) AS over_units,
        sum(cost_minor) FILTER (WHERE level = 3) AS cost_minor
    FROM shared.usage
    GROUP BY meter, level, currency
),
anomalies AS (
    SELECT meter, count(*) AS open FROM shared.billing_alerts
    WHERE resolved_at IS NULL AND type = 'usage_anomaly' AND meter IS NOT NULL
    GROUP BY meter
),
meters AS (
    SELECT meter FROM figures UNION SELECT meter FROM anomalies
),
gauges AS (
    SELECT
        %(organizations_metric)s AS metric,
        jsonb_build_object('meter', m.meter, 'level', l.name) AS labels,
        coalesce(sum(f.organizations), 0) AS value
    FROM meters AS m
    CROSS JOIN unnest(%(levels)s::text[]) WITH ORDINALITY AS l (name, number)
    LEFT JOIN figures AS f ON f.meter = m.meter AND f.level = l.number - 1
    GROUP BY m.meter, l.name
    UNION ALL
    SELECT
        %(units_metric)s, jsonb_build_object('meter', m.meter), coalesce(sum(f.over_units), 0)
    FROM meters AS m LEFT JOIN figures AS f ON f.meter = m.meter
    GROUP BY m.meter
    UNION ALL
    SELECT
        %(cost_metric)s, jsonb_build_object('currency', lower(currency)),
        coalesce(sum(cost_minor), 0)
    FROM figures WHERE currency IS NOT NULL
    GROUP BY lower(currency)
    UNION ALL
    SELECT %(anomalies_metric)s, jsonb_build_object('meter', m.meter), coalesce(a.open, 0)
    FROM meters AS m LEFT JOIN anomalies AS a ON a.meter = m.meter
),
gone AS (
    DELETE FROM ledger.gauges
    WHERE metric IN (
        %(organizations_metric)s, %(units_metric)s, %(cost_metric)s, %(anomalies_metric)s
    ) AND (metric, labels) NOT IN (SELECT metric, labels FROM gauges)
)
INSERT INTO ledger.gauges AS g (metric, labels, value)
-- More than there is room for is as much as there is room for.
SELECT metric, labels, least(value, 9223372036854775807)::bigint FROM gauges
ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, written_at = now();

-- name: read_aggregates
SELECT metric, labels, value, written_at FROM ledger.gauges
WHERE metric = ANY (%(metrics)s) ORDER BY metric, labels;

-- name: write_top_organizations
-- For each meter those that have used most of their quotas, from the warning level on, and for each
-- currency those whose usage of a meter costs most; %(most)s of each.
WITH meters AS (
    SELECT meter FROM shared.plan_meters WHERE quota > 0
    UNION
    SELECT meter FROM shared.quota_overrides WHERE quota > 0
),
fullest AS (
    SELECT m.meter, u.organization_id, u.part, row_number() OVER (
        PARTITION BY m.meter ORDER BY u.part DESC, u.organization_id
    ) AS place
    FROM meters AS m CROSS JOIN LATERAL (
        SELECT organization_id, used::numeric / quota AS part FROM shared.usage
        WHERE meter = m.meter AND level > 0 AND quota > 0
        ORDER BY used::float8 / quota DESC, organization_id LIMIT %(most)s
    ) AS u
),
costliest AS (
    SELECT * FROM (
        SELECT currency, organization_id, meter, cost_minor, row_number() OVER (
            PARTITION BY currency ORDER BY cost_minor DESC, organization_id, meter
        ) AS place
        FROM shared.usage
        -- Not read at all where it is switched off.
        WHERE currency IS NOT NULL AND cost_minor > 0 AND %(most)s > 0
    ) AS u
    WHERE place <= %(most)s
),
gauges AS (
    (
        SELECT
            %(usage_metric)s AS metric,
            jsonb_build_object('organization_id', organization_id, 'meter', meter) AS labels,
            part * 1000000 AS value
        FROM fullest ORDER BY place, meter LIMIT %(cap)s
    )
    UNION ALL
    (
        SELECT
            %(cost_metric)s,
            jsonb_build_object(
                'organization_id', organization_id, 'meter', meter, 'currency', lower(currency)
            ),
            cost_minor
        FROM costliest ORDER BY place, currency LIMIT %(cap)s
    )
),
gone AS (
    DELETE FROM ledger.gauges
    WHERE metric IN (%(usage_metric)s, %(cost_metric)s)
        AND (metric, labels) NOT IN (SELECT metric, labels FROM gauges)
)
INSERT INTO ledger.gauges AS g (metric, labels, value)
SELECT metric, labels, least(round(value), 9223372036854775807)::bigint FROM gauges
ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, written_at = now();

-- name: write_unacknowledged
-- Since when nobody has acknowledged each: what else changes it, as one more failed payment, is no
-- transition. Most are as they were raised.
WITH waiting AS (
    SELECT ledger.severity_label(severity) AS severity, count, since FROM (
        SELECT a.severity, count(*), min(CASE WHEN a.updated_at = a.created_at THEN a.created_at
            ELSE (
                SELECT max(t.at) FROM shared.billing_alert_transitions AS t
                WHERE t.alert_id = a.id AND t.transition IN ('raised', 'escalated', 'unacknowledged')
            ) END) AS since
        FROM shared.billing_alerts AS a
        WHERE a.resolved_at IS NULL AND a.acknowledged_at IS NULL
        GROUP BY a.severity
    ) AS counted
),
told AS (
    SELECT
        jsonb_build_object('severity', s.severity) AS labels,
        coalesce(sum(w.count), 0) AS count,
        coalesce(extract(epoch FROM min(w.since)), 0) * 1000000 AS since
    FROM unnest(%(severities)s::text[]) AS s (severity) LEFT JOIN waiting AS w USING (severity)
    GROUP BY s.severity
)
INSERT INTO ledger.gauges AS g (metric, labels, value)
SELECT %(count_metric)s, labels, count::bigint FROM told
UNION ALL
SELECT %(since_metric)s, labels, since::bigint FROM told
ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, written_at = now();

-- name: count_open_alerts
-- From the index alone. One row in any case, for the time that the counts are of.
WITH counted AS (
    SELECT type, severity, count(*) AS open FROM shared.billing_alerts
    WHERE resolved_at IS NULL
    GROUP BY type, severity
)
SELECT now() AS as_of, (
    SELECT coalesce(jsonb_agg(c ORDER BY c.type, c.severity), '[]') FROM (
        SELECT type, ledger.severity_label(severity) AS severity, sum(open)::bigint AS open
        FROM counted GROUP BY 1, 2
    ) AS c
) AS counts;
