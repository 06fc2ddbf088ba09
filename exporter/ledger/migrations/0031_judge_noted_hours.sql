-- The passes for anomalies go by what groups noted; hours that were over when their usage came are
-- judged, too.

-- Whatever is noted was used since.
ALTER TABLE shared.usage_baselines DROP COLUMN judged_used;

DROP FUNCTION ledger.raise_anomalies(timestamptz, ledger.judged_hour[], boolean);

-- Raise `usage_anomaly` for these hours, unless one is open, or the same was told already of an hour
-- that is over.
CREATE FUNCTION ledger.raise_anomalies(at timestamptz, hours ledger.judged_hour[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF cardinality(hours) = 0 THEN
        RETURN;
    END IF;
    PERFORM ledger.lock_organizations(
        at, ARRAY(SELECT DISTINCT h.organization_id FROM unnest(hours) AS h)
    );
    INSERT INTO shared.billing_alerts (
        organization_id, type, severity, title, message, data, meter, created_at, updated_at
    )
    SELECT h.organization_id, 'usage_anomaly', 'medium', format('Unusual usage: %s', n.name),
        format(
            CASE WHEN h.hour < date_trunc('hour', at, 'UTC')
            THEN 'Usage of %s was %s in the hour from %s; %s was to be expected.'
            ELSE 'Usage of %s is at %s in the hour from %s; %s was to be expected.' END,
            n.name, h.used, to_char(h.hour AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
            h.expected
        ),
        jsonb_build_object(
            'meter', h.meter, 'hour', h.hour, 'used', h.used, 'expected', h.expected,
            'direction', CASE WHEN h.used > h.expected THEN 'up' ELSE 'down' END
        ),
        h.meter, at, at
    FROM unnest(hours) AS h CROSS JOIN LATERAL (SELECT replace(h.meter, '_', ' ')) AS n (name)
    -- It may have been mapped to another organisation since.
    WHERE EXISTS (
        SELECT FROM shared.usage AS u
        WHERE u.organization_id = h.organization_id AND u.meter = h.meter
    ) AND (h.hour = date_trunc('hour', at, 'UTC') OR NOT EXISTS (
        SELECT FROM shared.billing_alerts AS a
        WHERE a.organization_id = h.organization_id AND a.meter = h.meter
            AND a.type = 'usage_anomaly' AND (a.data ->> 'hour')::timestamptz = h.hour
            AND (a.data ->> 'direction' = 'up') = (h.used > h.expected)
    ))
    ORDER BY h.organization_id, h.meter, h.hour
    ON CONFLICT DO NOTHING;
END
$$;

-- Judge up to `most` hours that are over; how many there were. What was too little is told, and
-- what was usual ends the anomaly of an earlier hour.
CREATE OR REPLACE FUNCTION ledger.close_hours(at timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended ledger.judged_hour[];
BEGIN
    -- Nobody turns out to be another meanwhile.
    PERFORM pg_advisory_xact_lock_shared(hashtext('shared.customers'));
    SELECT array_agg(ROW(
        e.organization_id, e.meter, e.hour, coalesce(h.quantity, 0), e.expected, e.lower, e.upper
    )::ledger.judged_hour) INTO ended
    FROM (
        SELECT b.* FROM shared.usage_baselines AS b
        WHERE NOT b.closed AND b.hour < date_trunc('hour', at, 'UTC')
        ORDER BY b.hour, b.organization_id, b.meter LIMIT most
    ) AS e
    LEFT JOIN shared.api_usage_logs AS h USING (organization_id, meter, hour);
    IF ended IS NULL THEN
        RETURN 0;
    END IF;
    -- Organisations are locked before their alerts, and these before what hours are judged by.
    PERFORM ledger.raise_anomalies(at, ARRAY(SELECT h FROM unnest(ended) AS h WHERE h.used < h.lower));
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = 'exporter',
        resolution = 'An hour of usual usage followed.'
    FROM unnest(ended) AS h
    WHERE a.organization_id = h.organization_id AND a.meter = h.meter
        AND a.type = 'usage_anomaly' AND a.resolved_at IS NULL
        AND (a.data ->> 'hour')::timestamptz < h.hour
        AND h.used <= h.upper AND h.used >= coalesce(h.lower, 0);
    UPDATE shared.usage_baselines AS b SET closed = true
    FROM unnest(ended) AS h
    WHERE b.organization_id = h.organization_id AND b.meter = h.meter AND b.hour = h.hour;
    RETURN cardinality(ended);
END
$$;

-- Judge the hours that were noted by groups, the oldest groups first, until `most` hours or more were
-- taken; how many there were. The current hour is kept, to be closed when it is over. An hour that is
-- over is told of if it is too much by now, as more of it may come; if it isn't too little any more,
-- its alert ends. What can't be judged yet is noted again: an hour that is yet to begin, and one
-- whose predecessor is still to be closed.
CREATE OR REPLACE FUNCTION ledger.judge_hours(at timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql
-- What is judged is few of many. Plans are kept, and may have been made when tables were empty.
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    this_hour timestamptz := date_trunc('hour', at, 'UTC');
    noted bigint;
    again ledger.judged_hour[];
    judged ledger.judged_hour[];
    enough uuid[];
BEGIN
    -- Nobody turns out to be another meanwhile.
    PERFORM pg_advisory_xact_lock_shared(hashtext('shared.customers'));
    WITH taken AS (
        DELETE FROM ledger.unjudged_usage AS u
        WHERE u.number = ANY (ARRAY(
            SELECT n.number FROM (
                SELECT t.number,
                    sum(t.hours_noted) OVER (ORDER BY t.number) - t.hours_noted AS earlier
                FROM ledger.unjudged_usage AS t
            ) AS n
            WHERE n.earlier < most
        ))
        RETURNING u.organization_ids, u.meters, u.hours, u.hours_noted
    ),
    used AS MATERIALIZED (
        SELECT n.organization_id, n.meter, n.hour, h.quantity AS used, b.expected, b.lower, b.upper,
            b.hour IS DISTINCT FROM n.hour AS is_new,
            n.hour > this_hour
                OR n.hour = this_hour AND coalesce(b.hour < this_hour AND NOT b.closed, false)
                AS is_early
        FROM (
            SELECT DISTINCT t.organization_id, t.meter, t.hour FROM (
                SELECT unnest(organization_ids) AS organization_id, unnest(meters) AS meter,
                    unnest(hours) AS hour
                FROM taken
            ) AS t
            -- Hours that began more than a day ago are history.
            WHERE t.hour > at - interval '24 hours'
        ) AS n
        JOIN shared.api_usage_logs AS h
            ON h.organization_id = n.organization_id AND h.meter = n.meter AND h.hour = n.hour
        LEFT JOIN shared.usage_baselines AS b
            ON b.organization_id = n.organization_id AND b.meter = n.meter
        WHERE b.hour IS DISTINCT FROM n.hour OR b.closed OR h.quantity > b.upper
    )
    SELECT (SELECT sum(t.hours_noted) FROM taken AS t),
        array_agg(ROW(
            u.organization_id, u.meter, u.hour, u.used, NULL, NULL, NULL
        )::ledger.judged_hour) FILTER (WHERE u.is_early),
        array_agg(ROW(
            u.organization_id, u.meter, u.hour, u.used,
            CASE WHEN u.is_new THEN n.expected ELSE u.expected END,
            CASE WHEN u.is_new THEN n.lower ELSE u.lower END,
            CASE WHEN u.is_new THEN n.upper ELSE u.upper END
        )::ledger.judged_hour ORDER BY u.organization_id, u.meter, u.hour)
        FILTER (WHERE NOT u.is_early)
    INTO noted, again, judged
    FROM used AS u
    CROSS JOIN shared.billing_settings AS s
    JOIN shared.organizations AS o ON o.organization_id = u.organization_id
    LEFT JOIN shared.plan_meters AS m
        ON m.plan = coalesce(o.plan, s.default_plan) AND m.meter = u.meter
    LEFT JOIN LATERAL (
        SELECT f.expected, f.lower, f.upper FROM ledger.hour_baseline(
            u.organization_id, u.meter, u.hour, s.anomaly_deviations,
            CASE WHEN m.tier_prices[1] > 0
            THEN ceil(s.anomaly_least_minor / m.tier_prices[1])::bigint
            ELSE s.anomaly_least_units END
        ) AS f
        WHERE u.is_new AND NOT u.is_early
    ) AS n ON true;
    enough := ARRAY(
        SELECT a.id FROM unnest(judged) AS j
        JOIN shared.billing_alerts AS a
            ON a.organization_id = j.organization_id AND a.meter = j.meter
        WHERE j.hour < this_hour AND j.used >= j.lower
            AND a.type = 'usage_anomaly' AND a.resolved_at IS NULL
            AND (a.data ->> 'hour')::timestamptz = j.hour AND a.data ->> 'direction' = 'down'
    );
    -- Organisations are locked before their alerts, and these before what hours are judged by.
    IF enough <> '{}' THEN
        PERFORM ledger.lock_organizations(at, ARRAY(
            SELECT a.organization_id FROM shared.billing_alerts AS a WHERE a.id = ANY (enough)
            UNION SELECT j.organization_id FROM unnest(judged) AS j WHERE j.used > j.upper
        ));
        WITH ended AS (
            UPDATE shared.billing_alerts AS a SET
                resolved_at = at, updated_at = at, resolved_by = 'exporter',
                resolution = 'What came late was enough.'
            WHERE a.id = ANY (enough) AND a.resolved_at IS NULL
            RETURNING a.organization_id, a.meter
        )
        -- While that was open nothing else could be told of the current hour.
        SELECT again || array_agg(
            ROW(e.organization_id, e.meter, this_hour, NULL, NULL, NULL, NULL)::ledger.judged_hour
        ) INTO again FROM ended AS e;
    END IF;
    PERFORM ledger.raise_anomalies(at, ARRAY(SELECT j FROM unnest(judged) AS j WHERE j.used > j.upper));
    INSERT INTO shared.usage_baselines AS b (organization_id, meter, hour, expected, lower, upper)
    SELECT j.organization_id, j.meter, j.hour, j.expected, j.lower, j.upper
    FROM unnest(judged) AS j
    WHERE j.hour = this_hour
    ON CONFLICT (organization_id, meter) DO UPDATE SET
        hour = excluded.hour, expected = excluded.expected, lower = excluded.lower,
        upper = excluded.upper, closed = false
    WHERE b.hour < excluded.hour AND b.closed;
    INSERT INTO ledger.unjudged_usage (organization_ids, meters, hours, hours_noted)
    SELECT array_agg(n.organization_id), array_agg(n.meter), array_agg(n.hour), count(*)
    FROM unnest(again) AS n HAVING count(*) > 0;
    RETURN coalesce(noted, 0) - coalesce(cardinality(again), 0);
END
$$;
