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
