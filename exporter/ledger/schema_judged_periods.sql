-- Costs against the period before, quotas that will not last, and organisations that fell silent.

-- When the period before this one began.
CREATE FUNCTION ledger.previous_start(
    anchor_start timestamptz, period_start timestamptz, period_end timestamptz
) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first timestamp := period_start AT TIME ZONE 'UTC';
    last timestamp := period_end AT TIME ZONE 'UTC';
    months integer := (extract(year FROM last) - extract(year FROM first)) * 12
        + extract(month FROM last) - extract(month FROM first);
    day integer := greatest(
        extract(day FROM first), extract(day FROM last),
        extract(day FROM anchor_start AT TIME ZONE 'UTC')
    );
    clock interval := first - date_trunc('day', first);
BEGIN
    IF months > 0
        AND ledger.month_start(date_trunc('month', first), 0, day, clock) = first
        AND ledger.month_start(date_trunc('month', first), months, day, clock) = last
    THEN
        RETURN ledger.month_start(date_trunc('month', first), -months, day, clock)
            AT TIME ZONE 'UTC';
    END IF;
    RETURN period_start - (period_end - period_start);
END
$$;

-- Raise `cost_spike` for organisations, up to `most` of those that were active since `since`, whose
-- metered costs of the period so far are so much above those of the same part of the period before;
-- once a period. End it when the period does. How many were looked at.
CREATE FUNCTION ledger.judge_costs(at timestamptz, since timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    looked_at integer;
    spikes jsonb;
BEGIN
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = 'exporter',
        resolution = 'Its period is over.'
    FROM shared.organizations AS o
    WHERE a.resolved_at IS NULL AND a.type IN ('cost_spike', 'quota_exhaustion')
        AND o.organization_id = a.organization_id AND a.period_start <> o.period_start;
    WITH costly AS MATERIALIZED (
        SELECT u.organization_id, u.currency, sum(u.cost_minor)::bigint AS cost_minor,
            s.spike_percent, o.period_start, o.period_end,
            ledger.previous_start(o.anchor_start, o.period_start, o.period_end) AS before_start,
            coalesce(o.plan, s.default_plan) AS plan
        FROM shared.usage AS u
        JOIN shared.organizations AS o USING (organization_id)
        CROSS JOIN shared.billing_settings AS s
        WHERE u.cost_minor > 0 AND u.last_used_at >= since
        GROUP BY u.organization_id, u.currency, o.organization_id, s.single
        HAVING sum(u.cost_minor) >= max(s.spike_least_minor)
    ),
    before AS (
        SELECT c.organization_id, sum(b.used) AS used,
            sum(ledger.usage_cost(b.used, m.tier_units, m.tier_prices))::bigint AS cost_minor
        FROM costly AS c
        JOIN shared.plan_meters AS m ON m.plan = c.plan AND m.currency = c.currency
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(h.quantity), 0)::bigint AS used FROM shared.api_usage_logs AS h
            WHERE h.organization_id = c.organization_id AND h.meter = m.meter
                AND h.hour >= c.before_start
                AND h.hour < least(
                    c.period_start,
                    c.before_start + (date_trunc('hour', at, 'UTC') + interval '1 hour'
                        - c.period_start)
                )
        ) AS b
        GROUP BY c.organization_id
    )
    SELECT count(*), jsonb_agg(jsonb_build_object(
        'organization_id', c.organization_id, 'period_start', c.period_start,
        'cost_minor', c.cost_minor, 'before_minor', b.cost_minor, 'currency', c.currency
    )) FILTER (
        WHERE b.used > 0 AND c.cost_minor * 100 >= b.cost_minor * (100 + c.spike_percent)
            AND NOT EXISTS (
                SELECT FROM shared.billing_alerts AS a
                WHERE a.organization_id = c.organization_id AND a.type = 'cost_spike'
                    AND a.period_start = c.period_start
            )
    )
    INTO looked_at, spikes
    FROM costly AS c JOIN before AS b USING (organization_id);
    IF spikes IS NOT NULL THEN
        PERFORM ledger.lock_organizations(at, ARRAY(
            SELECT s ->> 'organization_id' FROM jsonb_array_elements(spikes) AS s
        ));
        INSERT INTO shared.billing_alerts (
            organization_id, type, severity, title, message, data, period_start,
            created_at, updated_at
        )
        SELECT s.organization_id, 'cost_spike', 'high', 'Cost spike',
            format('Usage has cost %s in this period; it was %s at the same point of the last one.',
                ledger.money_text(s.cost_minor, s.currency, d.decimals),
                ledger.money_text(s.before_minor, s.currency, d.decimals)),
            to_jsonb(s) - 'organization_id' - 'period_start', s.period_start, at, at
        FROM jsonb_to_recordset(spikes) AS s (
            organization_id text, period_start timestamptz, cost_minor bigint,
            before_minor bigint, currency text
        )
        CROSS JOIN LATERAL (
            SELECT m.decimals FROM shared.plan_meters AS m WHERE m.currency = s.currency LIMIT 1
        ) AS d
        JOIN shared.organizations AS o USING (organization_id, period_start)
        ORDER BY s.organization_id
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN looked_at;
END
$$;

-- Raise `quota_exhaustion`, once a period, where more than half of a quota is used and what is left
-- won't last; end it when it is used up, or will last. How many were looked at.
CREATE FUNCTION ledger.judge_quotas(at timestamptz, since timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    looked_at integer;
    short jsonb;
BEGIN
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = 'exporter',
        resolution = CASE WHEN u.used > u.quota THEN 'The quota is used up.'
        ELSE 'The quota was raised.' END
    FROM shared.usage AS u
    WHERE a.resolved_at IS NULL AND a.type = 'quota_exhaustion'
        AND u.organization_id = a.organization_id AND u.meter = a.meter
        AND (u.used > u.quota OR u.quota IS NULL OR u.used * 2 < u.quota);
    SELECT count(*), jsonb_agg(jsonb_build_object(
        'organization_id', f.organization_id, 'meter', f.meter, 'period_start', f.period_start,
        'used', f.used, 'quota', f.quota, 'exhausted_at', f.exhausted_at, 'days_off', f.days_off
    )) FILTER (WHERE f.exhausted_at < least(f.period_end, at + make_interval(days => f.within)))
    INTO looked_at, short
    FROM (
        SELECT u.*, p.exhausted_at, p.days_off, s.exhaustion_days AS within
        FROM shared.usage AS u CROSS JOIN shared.billing_settings AS s
        CROSS JOIN LATERAL ledger.predict_exhaustion(at, u) AS p
        WHERE u.last_used_at >= since AND u.quota > 0
            AND u.used * 2 >= u.quota AND u.used <= u.quota
            AND NOT EXISTS (
                SELECT FROM shared.billing_alerts AS a
                WHERE a.organization_id = u.organization_id AND a.type = 'quota_exhaustion'
                    AND a.meter = u.meter AND a.period_start = u.period_start
            )
    ) AS f;
    IF short IS NOT NULL THEN
        PERFORM ledger.lock_organizations(at, ARRAY(
            SELECT DISTINCT s ->> 'organization_id' FROM jsonb_array_elements(short) AS s
        ));
        INSERT INTO shared.billing_alerts (
            organization_id, type, severity, title, message, data, meter, period_start,
            created_at, updated_at
        )
        SELECT s.organization_id, 'quota_exhaustion', 'low',
            format('Quota will not last: %s', replace(s.meter, '_', ' ')),
            format('Usage of %s (%s of %s) reaches the quota on %s, give or take %s days; the '
                'period ends on %s.', replace(s.meter, '_', ' '), s.used, s.quota,
                to_char(s.exhausted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), s.days_off,
                to_char(u.period_end AT TIME ZONE 'UTC', 'YYYY-MM-DD')),
            to_jsonb(s) - 'organization_id' - 'period_start', s.meter, s.period_start, at, at
        FROM jsonb_to_recordset(short) AS s (
            organization_id text, meter text, period_start timestamptz, used bigint,
            quota bigint, exhausted_at timestamptz, days_off numeric
        )
        JOIN shared.usage AS u USING (organization_id, meter, period_start)
        ORDER BY s.organization_id, s.meter
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN looked_at;
END
$$;

-- Raise `organization_silent` where a meter that was used on five of seven days has not been used
-- for the set time; end it when it is used again.
CREATE FUNCTION ledger.judge_silence(at timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    silent integer;
BEGIN
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = 'exporter',
        resolution = 'It is used again.'
    FROM shared.usage AS u
    WHERE a.resolved_at IS NULL AND a.type = 'organization_silent'
        AND u.organization_id = a.organization_id AND u.meter = a.meter
        AND u.last_used_at > (a.data ->> 'last_used_at')::timestamptz;
    INSERT INTO shared.billing_alerts (
        organization_id, type, severity, title, message, data, meter, created_at, updated_at
    )
    SELECT u.organization_id, 'organization_silent', 'low',
        format('No usage: %s', replace(u.meter, '_', ' ')),
        format('%s has not been used since %s, after use on %s of seven days.',
            initcap(replace(u.meter, '_', ' ')),
            to_char(u.last_used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), d.days),
        jsonb_build_object('meter', u.meter, 'last_used_at', u.last_used_at), u.meter, at, at
    FROM shared.usage AS u
    CROSS JOIN shared.billing_settings AS s
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT date_trunc('day', h.hour, 'UTC')) AS days
        FROM shared.api_usage_logs AS h
        WHERE h.organization_id = u.organization_id AND h.meter = u.meter
            AND h.hour > u.last_used_at - interval '168 hours' AND h.hour <= u.last_used_at
    ) AS d
    WHERE u.last_used_at < at - make_interval(hours => s.silence_hours)
        -- Told once: whoever was silent for a day more is known, or was not active before.
        AND u.last_used_at >= at - make_interval(hours => s.silence_hours + 24)
        AND d.days >= 5
        AND NOT EXISTS (
            SELECT FROM shared.billing_alerts AS a
            WHERE a.organization_id = u.organization_id AND a.type = 'organization_silent'
                AND a.meter = u.meter
                AND (a.data ->> 'last_used_at')::timestamptz = u.last_used_at
        )
    ORDER BY u.organization_id, u.meter
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS silent = ROW_COUNT;
    RETURN silent;
END
$$;
