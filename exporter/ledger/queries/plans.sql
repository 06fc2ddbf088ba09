-- name: lock_plans
SELECT pg_advisory_xact_lock(hashtext('shared.plan_meters'));

-- name: write_billing_settings
UPDATE shared.billing_settings AS s SET (
    default_plan, warning_percent, critical_percent, spike_percent, spike_least_minor,
    anomaly_deviations, anomaly_least_units, anomaly_least_minor, exhaustion_days, silence_hours,
    low_credits
) = (
    n.default_plan, n.warning_percent, n.critical_percent, n.spike_percent, n.spike_least_minor,
    n.anomaly_deviations, n.anomaly_least_units, n.anomaly_least_minor, n.exhaustion_days,
    n.silence_hours, n.low_credits
)
FROM jsonb_populate_record(NULL::shared.billing_settings, %(row)s || '{"single": true}') AS n
WHERE s IS DISTINCT FROM n;

-- name: delete_plan_meters
DELETE FROM shared.plan_meters AS p
WHERE NOT EXISTS (
    SELECT FROM jsonb_to_recordset(%(rows)s) AS n (plan text, meter text)
    WHERE n.plan = p.plan AND n.meter = p.meter
);

-- name: write_plan_meters
-- A row that is as it should be isn't even locked.
INSERT INTO shared.plan_meters AS p (
    plan, meter, quota, limits, currency, decimals, tier_units, tier_prices
)
SELECT n.* FROM jsonb_to_recordset(%(rows)s) AS n (
    plan text, meter text, quota bigint, limits bigint[], currency text, decimals smallint,
    tier_units bigint[], tier_prices numeric[]
)
WHERE NOT EXISTS (
    SELECT FROM shared.plan_meters AS o
    WHERE o.plan = n.plan AND o.meter = n.meter
        AND (o.quota, o.limits, o.currency, o.decimals, o.tier_units, o.tier_prices)
            IS NOT DISTINCT FROM
            (n.quota, n.limits, n.currency, n.decimals, n.tier_units, n.tier_prices)
)
ORDER BY n.plan, n.meter
ON CONFLICT (plan, meter) DO UPDATE SET
    quota = excluded.quota, limits = excluded.limits, currency = excluded.currency,
    decimals = excluded.decimals, tier_units = excluded.tier_units,
    tier_prices = excluded.tier_prices;
