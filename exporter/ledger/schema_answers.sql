-- What people ask in SQL, with the time passed in; schema_access.sql has what they call.

-- How well an organisation fares: 100 less what speaks against it. A failed payment takes 40; the
-- fullest meter of the current period up to 20 between half and all of its quota, and 30 above it;
-- other open alerts 20 (critical), 10 (high), 5 (medium) and 2 (low) each, 30 at most. `reasons`
-- is an array of {reason, points, detail}.
CREATE FUNCTION ledger.organization_health(
    at timestamptz, organization text,
    OUT organization_id text, OUT score integer, OUT status text, OUT reasons jsonb
) RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH fullest AS (
        SELECT u.meter, u.used, u.quota, u.used::numeric * 100 / nullif(u.quota, 0) AS percentage
        FROM shared.usage AS u
        WHERE u.organization_id = organization AND u.period_start <= at AND at < u.period_end
            AND u.used > 0 AND u.quota IS NOT NULL
        ORDER BY 4 DESC NULLS FIRST, u.meter
        LIMIT 1
    ),
    open AS (
        SELECT a.type, a.severity FROM shared.billing_alerts AS a
        WHERE a.organization_id = organization AND a.resolved_at IS NULL
    ),
    against (reason, points, detail) AS (
        SELECT 'payment_failed', 40, 'a payment failed'
        WHERE EXISTS (SELECT FROM open AS o WHERE o.type = 'payment_failed')
        UNION ALL
        SELECT 'over_quota', 30, format('%s: %s of %s', f.meter, f.used, f.quota)
        FROM fullest AS f WHERE f.used > f.quota
        UNION ALL
        SELECT 'near_quota', floor((f.percentage - 50) * 20 / 50)::integer,
            format('%s: %s of %s', f.meter, f.used, f.quota)
        FROM fullest AS f WHERE f.used <= f.quota
        UNION ALL
        SELECT 'open_alerts', least(30, sum(
            CASE o.severity WHEN 'critical' THEN 20 WHEN 'high' THEN 10 WHEN 'medium' THEN 5 ELSE 2 END
        ))::integer, format('%s open', count(*))
        FROM open AS o
        WHERE o.type NOT IN ('payment_failed', 'usage_threshold', 'overage_detected')
        HAVING count(*) > 0
    ),
    summed AS (
        SELECT 100 - coalesce(sum(g.points), 0)::integer AS score, coalesce(jsonb_agg(
            jsonb_build_object('reason', g.reason, 'points', g.points, 'detail', g.detail)
            ORDER BY g.points DESC, g.reason
        ), '[]') AS reasons
        FROM against AS g WHERE g.points > 0
    )
    SELECT o.organization_id, s.score,
        CASE WHEN s.score >= 80 THEN 'healthy' WHEN s.score >= 50 THEN 'degraded' ELSE 'critical' END,
        s.reasons
    FROM shared.organizations AS o CROSS JOIN summed AS s
    WHERE o.organization_id = organization;
END;

-- The hours among the last full ones that were unlike the same hour of the seven days before these
-- hours. What is expected is the median of those seven, which three outliers can't move; where it
-- is nothing, the median of the hours with any use of that week. An hour tells if it is `threshold`
-- times that (or that fraction of it), further away than `threshold` usual deviations (1.4826 times
-- the median of the seven's own), and by 10 units. A meter that has no week of history yet is left
-- out.
CREATE FUNCTION ledger.usage_anomalies(
    at timestamptz, hours integer, threshold numeric,
    OUT organization_id text, OUT meter text, OUT hour timestamptz, OUT used bigint,
    OUT expected bigint, OUT ratio numeric, OUT direction text
) RETURNS SETOF record LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    day CONSTANT interval := '24 hours';
    least_units CONSTANT bigint := 10;
    until timestamptz := date_trunc('hour', at, 'UTC');
    since timestamptz;
    week_start timestamptz;
    nearest integer;
BEGIN
    IF hours IS NULL OR hours NOT BETWEEN 1 AND 744 THEN
        RAISE SQLSTATE '22023' USING MESSAGE = 'hours must be from 1 to 744';
    ELSIF threshold IS NULL OR threshold <= 1 OR threshold = 'NaN' THEN
        RAISE SQLSTATE '22023' USING MESSAGE = 'threshold must be more than 1';
    END IF;
    since := until - make_interval(hours => hours);
    nearest := (hours + 23) / 24;
    week_start := since - (nearest + 6) * day;
    RETURN QUERY
    WITH wanted AS (
        SELECT w.hour, (w.hour - s.days * day) AT TIME ZONE 'UTC' AS source, s.days = 0 AS own
        FROM generate_series(since, until - interval '1 hour', interval '1 hour') AS w (hour)
        CROSS JOIN (SELECT 0 UNION ALL SELECT generate_series(nearest, nearest + 6)) AS s (days)
    ),
    compared AS (
        SELECT h.organization_id, h.meter, w.hour,
            coalesce(max(h.quantity) FILTER (WHERE w.own), 0) AS used,
            array_agg(h.quantity ORDER BY h.quantity) FILTER (WHERE NOT w.own) AS before
        FROM shared.api_usage_logs AS h JOIN wanted AS w ON w.source = h.hour AT TIME ZONE 'UTC'
        WHERE h.hour AT TIME ZONE 'UTC' >= week_start AT TIME ZONE 'UTC'
            AND h.hour AT TIME ZONE 'UTC' < until AT TIME ZONE 'UTC'
        GROUP BY 1, 2, 3
    ),
    -- Hours without use have no row: of the seven the first are 0.
    typical AS (
        SELECT c.organization_id, c.meter, c.hour, c.used, c.before,
            coalesce(c.before[cardinality(c.before) - 3], 0) AS middle
        FROM compared AS c
    ),
    judged AS (
        SELECT t.*, CASE
            WHEN t.middle > 0 THEN t.middle
            WHEN t.used >= least_units THEN coalesce((
                SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY h.quantity)
                FROM shared.api_usage_logs AS h
                WHERE h.organization_id = t.organization_id AND h.meter = t.meter
                    AND h.hour >= week_start AND h.hour < since AND h.quantity > 0
            ), 0)
            ELSE 0
        END AS expected
        FROM typical AS t
    )
    SELECT j.organization_id, j.meter, j.hour, j.used, j.expected,
        round(j.used::numeric / nullif(j.expected, 0), 2),
        CASE WHEN j.used > j.expected THEN 'above' ELSE 'below' END
    FROM judged AS j
    WHERE abs(j.used - j.expected) >= least_units
        AND (j.used >= threshold * j.expected OR (j.middle > 0 AND j.used * threshold <= j.middle))
        AND abs(j.used - j.expected) > threshold * 1.4826 * (
            SELECT percentile_disc(0.5) WITHIN GROUP (
                ORDER BY abs(coalesce(j.before[n], 0) - j.middle)
            ) FROM generate_series(1, 7) AS n
        )
        AND EXISTS (
            SELECT FROM shared.api_usage_logs AS h
            WHERE h.organization_id = j.organization_id AND h.meter = j.meter
                AND h.hour < week_start + day
        )
    ORDER BY abs(j.used - j.expected) DESC, 1, 2, 3;
END
$$;

-- The current period of each meter that an organisation uses or its plan has (one row without a
-- meter if there is none). `trend_percent` compares what was used up to the last full hour with
-- the same part of the period before, `previous_used`.
CREATE FUNCTION ledger.dashboard_metrics(
    at timestamptz, organization text,
    OUT organization_id text, OUT plan text, OUT period_start timestamptz,
    OUT period_end timestamptz, OUT meter text, OUT used bigint, OUT quota bigint,
    OUT percentage numeric, OUT cost_minor bigint, OUT currency text, OUT previous_used bigint,
    OUT trend_percent numeric, OUT open_critical bigint, OUT open_high bigint,
    OUT open_medium bigint, OUT open_low bigint
) RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH current AS (
        SELECT o.organization_id, coalesce(o.plan, s.default_plan) AS plan,
            p.period_start, p.period_end, b.period_start AS before,
            make_interval(secs => extract(epoch FROM p.period_end - p.period_start)) AS length,
            make_interval(secs => extract(
                epoch FROM greatest(date_trunc('hour', at, 'UTC'), p.period_start) - p.period_start
            )) AS elapsed
        FROM shared.organizations AS o
        CROSS JOIN shared.billing_settings AS s
        CROSS JOIN LATERAL ledger.period_at(
            o.anchor_start, o.anchor_end, greatest(at, o.period_start)
        ) AS p
        CROSS JOIN LATERAL ledger.period_at(
            o.anchor_start, o.anchor_end, p.period_start - interval '1 hour'
        ) AS b
        WHERE o.organization_id = organization
    ),
    -- A subscription's first period has none before it: as long a time is taken.
    periods AS (
        SELECT c.*, CASE WHEN c.before < c.period_start THEN c.before
            ELSE c.period_start - c.length END AS previous_start
        FROM current AS c
    ),
    meters AS (
        SELECT u.meter FROM shared.usage AS u WHERE u.organization_id = organization
        UNION SELECT m.meter FROM shared.plan_meters AS m JOIN periods AS p USING (plan)
        UNION SELECT q.meter FROM shared.quota_overrides AS q WHERE q.organization_id = organization
    ),
    figures AS (
        SELECT m.meter,
            coalesce(sum(h.quantity) FILTER (WHERE h.hour >= p.period_start), 0)::bigint AS used,
            coalesce(sum(h.quantity) FILTER (
                WHERE h.hour >= p.period_start AND h.hour < p.period_start + p.elapsed
            ), 0)::bigint AS used_so_far,
            coalesce(sum(h.quantity) FILTER (
                WHERE h.hour < least(p.previous_start + p.elapsed, p.period_start)
            ), 0)::bigint AS previous_used
        FROM periods AS p CROSS JOIN meters AS m
        LEFT JOIN shared.api_usage_logs AS h ON h.organization_id = organization
            AND h.meter = m.meter AND h.hour >= p.previous_start AND h.hour < p.period_end
        GROUP BY m.meter
    ),
    open AS (
        SELECT count(*) FILTER (WHERE a.severity = 'critical') AS critical,
            count(*) FILTER (WHERE a.severity = 'high') AS high,
            count(*) FILTER (WHERE a.severity = 'medium') AS medium,
            count(*) FILTER (WHERE a.severity = 'low') AS low
        FROM shared.billing_alerts AS a
        WHERE a.organization_id = organization AND a.resolved_at IS NULL
    )
    SELECT p.organization_id, p.plan, p.period_start, p.period_end, f.meter, f.used, q.quota,
        trunc(f.used::numeric * 100 / nullif(q.quota, 0), 1),
        CASE WHEN f.used > m.tier_units[1]
        THEN ledger.usage_cost(f.used, m.tier_units, m.tier_prices)
        WHEN f.used IS NOT NULL THEN 0 END,
        m.currency, f.previous_used,
        round((f.used_so_far - f.previous_used)::numeric * 100 / nullif(f.previous_used, 0), 1),
        open.critical, open.high, open.medium, open.low
    FROM periods AS p
    CROSS JOIN open
    LEFT JOIN figures AS f ON true
    LEFT JOIN shared.quota_overrides AS v
        ON v.organization_id = p.organization_id AND v.meter = f.meter
    LEFT JOIN shared.plan_meters AS m ON m.plan = p.plan AND m.meter = f.meter
    CROSS JOIN LATERAL (
        SELECT CASE WHEN v.organization_id IS NULL THEN m.quota ELSE v.quota END AS quota
    ) AS q
    ORDER BY f.meter;
END;

-- The open alerts that have outlived their cause: about usage of a period that is over, or whose
-- threshold isn't passed (any more); a failed payment with a later one that succeeded; and, about
-- no period, whatever nothing changed for 30 days.
CREATE FUNCTION ledger.stale_alerts(
    at timestamptz, OUT alert_id uuid, OUT organization_id text, OUT reason text
) RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT j.id, j.organization_id, j.reason
    FROM (
        SELECT a.id, a.organization_id, CASE
            WHEN a.period_start < o.period_start
                OR (a.period_start = o.period_start AND o.period_end <= at)
            THEN 'Its period is over.'
            WHEN (a.type = 'usage_threshold' AND u.level = 0)
                OR (a.type = 'overage_detected' AND u.level < 3)
                OR (a.type = 'usage_limit' AND u.passed = 0)
            THEN 'Usage is below the threshold.'
            WHEN a.type = 'payment_failed' AND (a.data ->> 'failed_at')::timestamptz <= l.paid_at
            THEN 'A later payment succeeded.'
            WHEN a.period_start IS NULL AND a.updated_at <= at - interval '720 hours'
            THEN 'Nothing was heard of it for 30 days.'
        END AS reason
        FROM shared.billing_alerts AS a
        LEFT JOIN shared.organizations AS o USING (organization_id)
        LEFT JOIN shared.last_payments AS l USING (organization_id)
        LEFT JOIN shared.usage AS u ON u.organization_id = a.organization_id
            AND u.meter = a.meter AND u.period_start = a.period_start
        WHERE a.resolved_at IS NULL
    ) AS j
    WHERE j.reason IS NOT NULL;
END;

-- Resolve them in `actor`'s name; how many there were.
CREATE FUNCTION ledger.resolve_stale_alerts(at timestamptz, actor text) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    resolved integer;
BEGIN
    PERFORM FROM shared.organizations AS o
    WHERE o.organization_id IN (SELECT s.organization_id FROM ledger.stale_alerts(at) AS s)
    ORDER BY o.organization_id FOR NO KEY UPDATE;
    PERFORM FROM shared.billing_alerts AS a
    WHERE a.id IN (SELECT s.alert_id FROM ledger.stale_alerts(at) AS s)
    ORDER BY a.organization_id, a.id FOR NO KEY UPDATE;
    -- Looked at again, as another may have changed them before they were locked.
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = actor, resolution = s.reason
    FROM ledger.stale_alerts(at) AS s WHERE a.id = s.alert_id AND a.resolved_at IS NULL;
    GET DIAGNOSTICS resolved = ROW_COUNT;
    RETURN resolved;
END
$$;
