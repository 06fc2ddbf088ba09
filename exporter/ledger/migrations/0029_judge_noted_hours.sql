-- Each group notes which hours it brought usage of, so that a pass for anomalies looks at those and
-- at no others; also at hours that were over when their usage came.

-- The hours of meters that groups brought usage of and that are still to be judged: a row a group.
CREATE TABLE ledger.unjudged_usage (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_ids text[] NOT NULL,
    meters text[] NOT NULL,
    hours timestamptz[] NOT NULL,
    hours_noted integer NOT NULL
);

-- Add what was `used` by meters of which nothing else changes with it, each under the lock of its own
-- row; the others' are returned, for `ledger.settle_usage`. All are noted, to be judged.
CREATE OR REPLACE FUNCTION ledger.add_usage(at timestamptz, used ledger.hour_usage[])
RETURNS ledger.hour_usage[] LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
    others ledger.hour_usage[];
BEGIN
    INSERT INTO ledger.unjudged_usage (organization_ids, meters, hours, hours_noted)
    SELECT array_agg(n.organization_id), array_agg(n.meter), array_agg(n.hour), count(*)
    FROM unnest(add_usage.used) AS n;
    WITH more AS MATERIALIZED (
        SELECT n.organization_id, n.meter, sum(n.quantity) AS quantity, min(n.hour) AS first_hour,
            max(n.hour) AS last_hour, max(n.last_at) AS last_at
        FROM unnest(add_usage.used) AS n GROUP BY 1, 2 ORDER BY 1, 2
    ),
    added AS (
        UPDATE shared.usage AS u SET
            used = u.used + n.quantity, last_used_at = greatest(u.last_used_at, n.last_at)
        FROM more AS n
        WHERE u.organization_id = n.organization_id AND u.meter = n.meter
            AND n.first_hour >= u.period_start AND n.last_hour < u.period_end
            AND at < u.period_end AND u.used + n.quantity < u.next_units
        RETURNING u.organization_id, u.meter
    )
    SELECT array_agg(n) INTO others FROM unnest(add_usage.used) AS n
    WHERE (n.organization_id, n.meter) NOT IN (SELECT organization_id, meter FROM added);
    RETURN others;
END
$$;

-- By time; an expression, so that nobody who looks for some hours of one organisation is led through
-- those of all.
DROP INDEX shared.api_usage_logs_hour;
CREATE INDEX api_usage_logs_utc_hour ON shared.api_usage_logs ((hour AT TIME ZONE 'UTC'));

-- The hours among the last full ones that were unlike the same hour of the seven days before these
-- hours. What is expected is the median of those seven, which three outliers can't move; where it
-- is nothing, the median of the hours with any use of that week. An hour tells if it is `threshold`
-- times that (or that fraction of it), further away than `threshold` usual deviations (1.4826 times
-- the median of the seven's own), and by 10 units. A meter that has no week of history yet is left
-- out.
CREATE OR REPLACE FUNCTION ledger.usage_anomalies(
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

DROP FUNCTION ledger.raise_anomalies(timestamptz, ledger.judged_hour[], boolean);

-- Raise `usage_anomaly` for these hours, which are over or not yet, unless it is open already.
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
    )
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
    WITH ended AS (
        UPDATE shared.usage_baselines AS b SET closed = true
        FROM (
            SELECT n.organization_id, n.meter FROM shared.usage_baselines AS n
            WHERE NOT n.closed AND n.hour < date_trunc('hour', at, 'UTC')
            ORDER BY n.hour, n.organization_id, n.meter LIMIT most FOR UPDATE
        ) AS due
        WHERE b.organization_id = due.organization_id AND b.meter = due.meter
        RETURNING b.organization_id, b.meter, b.hour, b.expected, b.lower, b.upper
    )
    SELECT array_agg(ROW(
        e.organization_id, e.meter, e.hour, coalesce(h.quantity, 0), e.expected, e.lower, e.upper
    )::ledger.judged_hour) INTO ended
    FROM ended AS e LEFT JOIN shared.api_usage_logs AS h USING (organization_id, meter, hour);
    IF ended IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM ledger.raise_anomalies(at, ARRAY(SELECT h FROM unnest(ended) AS h WHERE h.used < h.lower));
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = 'exporter',
        resolution = 'An hour of usual usage followed.'
    FROM unnest(ended) AS h
    WHERE a.organization_id = h.organization_id AND a.meter = h.meter
        AND a.type = 'usage_anomaly' AND a.resolved_at IS NULL
        AND (a.data ->> 'hour')::timestamptz < h.hour
        AND h.used <= h.upper AND h.used >= coalesce(h.lower, 0);
    RETURN cardinality(ended);
END
$$;

-- Judge the hours that were noted by groups, the oldest groups first, until `most` hours or more were
-- taken; how many there were. The current hour is kept, to be closed when it is over. Of an hour that
-- is over only what is too much is told, as more of it may come.
CREATE OR REPLACE FUNCTION ledger.judge_hours(at timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql
-- What is judged is few of many. Plans are kept, and may have been made when tables were empty.
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    this_hour timestamptz := date_trunc('hour', at, 'UTC');
    noted integer;
    judged ledger.judged_hour[];
BEGIN
    WITH taken AS (
        DELETE FROM ledger.unjudged_usage AS u
        USING (
            SELECT t.number, sum(t.hours_noted) OVER (ORDER BY t.number) - t.hours_noted AS earlier
            FROM ledger.unjudged_usage AS t
        ) AS due
        WHERE u.number = due.number AND due.earlier < most
        RETURNING u.organization_ids, u.meters, u.hours, u.hours_noted
    ),
    used AS MATERIALIZED (
        SELECT n.organization_id, n.meter, n.hour, h.quantity AS used, b.hour IS NULL AS is_new,
            b.expected, b.lower, b.upper
        FROM (
            SELECT DISTINCT t.organization_id, t.meter, t.hour FROM (
                SELECT unnest(organization_ids) AS organization_id, unnest(meters) AS meter,
                    unnest(hours) AS hour
                FROM taken
            ) AS t
            -- What comes a day late, or later, is history.
            WHERE t.hour > at - interval '24 hours'
        ) AS n
        JOIN shared.api_usage_logs AS h
            ON h.organization_id = n.organization_id AND h.meter = n.meter AND h.hour = n.hour
        LEFT JOIN shared.usage_baselines AS b
            ON b.organization_id = n.organization_id AND b.meter = n.meter AND b.hour = n.hour
        WHERE b.hour IS NULL OR h.quantity > b.upper AND h.quantity <> b.judged_used
    )
    SELECT (SELECT sum(t.hours_noted) FROM taken AS t), array_agg(ROW(
        u.organization_id, u.meter, u.hour, u.used,
        CASE WHEN u.is_new THEN n.expected ELSE u.expected END,
        CASE WHEN u.is_new THEN n.lower ELSE u.lower END,
        CASE WHEN u.is_new THEN n.upper ELSE u.upper END
    )::ledger.judged_hour ORDER BY u.organization_id, u.meter, u.hour)
    INTO noted, judged
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
        WHERE u.is_new
    ) AS n ON true;
    INSERT INTO shared.usage_baselines AS b (
        organization_id, meter, hour, expected, lower, upper, judged_used
    )
    SELECT j.organization_id, j.meter, j.hour, j.expected, j.lower, j.upper, j.used
    FROM unnest(judged) AS j
    WHERE j.hour = this_hour
    ON CONFLICT (organization_id, meter) DO UPDATE SET
        hour = excluded.hour, expected = excluded.expected, lower = excluded.lower,
        upper = excluded.upper, judged_used = excluded.judged_used, closed = false
    -- One that is still to be closed stays.
    WHERE b.hour = excluded.hour OR b.closed AND b.hour < excluded.hour;
    PERFORM ledger.raise_anomalies(at, ARRAY(SELECT j FROM unnest(judged) AS j WHERE j.used > j.upper));
    RETURN coalesce(noted, 0);
END
$$;
