-- name: read_organization
-- Its plan and the period that holds now, whether anything was settled since it began or not.
SELECT
    o.organization_id,
    coalesce(o.plan, s.default_plan) AS plan,
    o.plan IS NULL AS is_default_plan,
    p.period_start,
    p.period_end,
    o.anchor_start IS NOT NULL AS is_subscribed,
    now() AS as_of
FROM shared.organizations AS o
CROSS JOIN shared.billing_settings AS s,
    LATERAL ledger.period_at(o.anchor_start, o.anchor_end, greatest(now(), o.period_start)) AS p
WHERE o.organization_id = %(organization_id)s;

-- name: read_meters
-- Every meter that it has used, that its plan has, or that it has a quota of its own for.
WITH mine AS (
    SELECT o.organization_id, coalesce(o.plan, s.default_plan) AS plan, p.period_start,
        p.period_end, s.warning_percent, s.critical_percent
    FROM shared.organizations AS o
    CROSS JOIN shared.billing_settings AS s,
        LATERAL ledger.period_at(o.anchor_start, o.anchor_end, greatest(now(), o.period_start)) AS p
    WHERE o.organization_id = %(organization_id)s
),
meters AS (
    SELECT u.meter FROM shared.usage AS u WHERE u.organization_id = %(organization_id)s
    UNION
    SELECT q.meter FROM shared.quota_overrides AS q WHERE q.organization_id = %(organization_id)s
    UNION
    SELECT m.meter FROM shared.plan_meters AS m JOIN mine USING (plan)
),
figures AS (
    SELECT n.meter, mine.*, m.currency, m.decimals, m.tier_units, m.tier_prices, u.last_used_at,
        CASE WHEN u.period_start = mine.period_start AND u.period_end = mine.period_end
        THEN u.used
        ELSE (
            SELECT coalesce(sum(h.quantity), 0) FROM shared.api_usage_logs AS h
            WHERE h.organization_id = mine.organization_id AND h.meter = n.meter
                AND h.hour >= mine.period_start AND h.hour < mine.period_end
        ) END::bigint AS used,
        CASE WHEN q.organization_id IS NULL THEN m.quota ELSE q.quota END AS quota,
        q.organization_id IS NOT NULL AS is_own_quota, q.set_by, q.set_at
    FROM meters AS n
    CROSS JOIN mine
    LEFT JOIN shared.usage AS u
        ON u.organization_id = mine.organization_id AND u.meter = n.meter
    LEFT JOIN shared.quota_overrides AS q
        ON q.organization_id = mine.organization_id AND q.meter = n.meter
    LEFT JOIN shared.plan_meters AS m ON m.plan = mine.plan AND m.meter = n.meter
)
SELECT
    meter,
    used,
    quota,
    floor(used::numeric * 100 / nullif(quota, 0))::bigint AS percentage,
    greatest(used - quota, 0) AS overage,
    ledger.usage_cost(used, tier_units, tier_prices) AS cost_minor,
    currency,
    decimals,
    (ARRAY['ok', 'warning', 'critical', 'over'])[
        1 + ledger.usage_level(used, quota, warning_percent, critical_percent)
    ] AS level,
    last_used_at,
    is_own_quota,
    set_by AS quota_set_by,
    set_at AS quota_set_at
FROM figures
ORDER BY meter;

-- name: read_history
-- Hours, or days in UTC; those without any use are left out.
SELECT
    h.meter,
    date_trunc(%(interval)s, h.hour, 'UTC') AS start,
    sum(h.quantity)::bigint AS quantity,
    sum(h.events)::bigint AS events
FROM shared.api_usage_logs AS h
WHERE h.organization_id = %(organization_id)s
    AND h.hour >= %(start)s::timestamptz AND h.hour < %(end)s::timestamptz
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: read_costs
-- What usage between two times cost at the prices of the plan, by meter: of each period that they
-- touch, what it cost up to the later one, less what it cost up to the earlier one. Before a
-- subscription's anchor, periods are months.
WITH RECURSIVE mine AS (
    SELECT o.organization_id, coalesce(o.plan, s.default_plan) AS plan, o.anchor_end,
        date_trunc('hour', o.anchor_start, 'UTC') AS anchor_start
    FROM shared.organizations AS o CROSS JOIN shared.billing_settings AS s
    WHERE o.organization_id = %(organization_id)s
),
periods (start, period_start, period_end) AS (
    SELECT NULL::timestamptz, NULL::timestamptz, %(start)s::timestamptz
    UNION ALL
    SELECT last.period_end, p.period_start, least(
        p.period_end,
        CASE WHEN mine.anchor_start > last.period_end THEN mine.anchor_start END
    )
    FROM periods AS last CROSS JOIN mine, LATERAL ledger.period_at(
        CASE WHEN mine.anchor_start <= last.period_end THEN mine.anchor_start END,
        mine.anchor_end, last.period_end
    ) AS p
    WHERE last.period_end < %(end)s::timestamptz
),
used AS (
    SELECT h.meter, p.period_start,
        coalesce(sum(h.quantity) FILTER (WHERE h.hour < p.start), 0)::bigint AS before,
        sum(h.quantity)::bigint AS until
    FROM periods AS p CROSS JOIN mine
    JOIN shared.api_usage_logs AS h
        ON h.organization_id = mine.organization_id
        AND h.hour >= p.period_start AND h.hour < least(p.period_end, %(end)s::timestamptz)
    WHERE p.start IS NOT NULL
    GROUP BY h.meter, p.period_start, p.start
)
SELECT
    u.meter,
    m.currency,
    m.decimals,
    sum(
        ledger.usage_cost(u.until, m.tier_units, m.tier_prices)
        - ledger.usage_cost(u.before, m.tier_units, m.tier_prices)
    )::bigint AS cost_minor
FROM used AS u
CROSS JOIN mine
JOIN shared.plan_meters AS m ON m.plan = mine.plan AND m.meter = u.meter
GROUP BY u.meter, m.currency, m.decimals
ORDER BY u.meter;

-- name: read_subscriptions
SELECT
    s.subscription_id,
    s.scope,
    s.customer_id,
    s.status,
    s.plan,
    s.livemode,
    s.period_start,
    s.period_end,
    s.terminal AS is_over,
    to_timestamp(s.created_seconds) AS created_at,
    s.changed_at
FROM shared.subscriptions AS s
WHERE s.organization_id = %(organization_id)s
ORDER BY s.terminal, s.created_seconds DESC, s.scope, s.subscription_id
LIMIT 1000;

-- name: read_customers
SELECT c.scope, c.customer_id, c.mapped_by, c.mapped_at
FROM shared.customers AS c
WHERE c.organization_id = %(organization_id)s
ORDER BY c.scope, c.customer_id
LIMIT 1000;

-- name: set_quota
SELECT ledger.set_quota(
    clock_timestamp(), %(organization_id)s, %(meter)s, %(quota)s::bigint, %(actor)s
);

-- name: clear_quota
SELECT ledger.clear_quota(clock_timestamp(), %(organization_id)s, %(meter)s);

-- name: read_owner
SELECT c.organization_id FROM shared.customers AS c
WHERE c.scope = %(scope)s AND c.customer_id = %(customer_id)s;

-- name: map_customer
SELECT ledger.map_customer(
    clock_timestamp(), %(scope)s, %(customer_id)s, %(organization_id)s, %(actor)s
);
