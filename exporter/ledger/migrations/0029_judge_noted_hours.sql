-- Each group notes which hours it brought usage of, so that a pass for anomalies looks at those and
-- at no others; also at hours that were over when their usage came.

-- Whoever uses the ledger is done first, and nobody else begins: the index below takes its time, and
-- who waited for it would hold what the end of a migration locks.
LOCK TABLE ledger.leases IN SHARE ROW EXCLUSIVE MODE;
SELECT ledger.settle_access();

-- The hours of meters that groups brought usage of and that are still to be judged: a row a group.
CREATE TABLE ledger.unjudged_usage (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_ids text[] NOT NULL,
    meters text[] NOT NULL,
    hours timestamptz[] NOT NULL,
    hours_noted integer NOT NULL
);
ALTER TABLE shared.usage_baselines DROP COLUMN judged_used;

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

-- What was used lately has no notes yet.
INSERT INTO ledger.unjudged_usage (organization_ids, meters, hours, hours_noted)
SELECT array_agg(h.organization_id), array_agg(h.meter), array_agg(h.hour), count(*)
FROM (
    SELECT l.*, (row_number() OVER (ORDER BY l.organization_id, l.meter)) / 1000 AS batch
    FROM shared.api_usage_logs AS l
    WHERE l.hour AT TIME ZONE 'UTC' >= date_trunc('hour', now() AT TIME ZONE 'UTC' - interval '1 hour')
) AS h
GROUP BY h.batch;

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

-- Everything of one organisation becomes another's, as it turned out to be the same. Both are
-- locked. Its alerts end: whether they hold is judged by what both used and paid.
CREATE OR REPLACE FUNCTION ledger.move_organization(at timestamptz, old_id text, new_id text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    meters text[];
    payments jsonb;
BEGIN
    WITH taken AS (
        DELETE FROM shared.api_usage_logs WHERE organization_id = old_id
        RETURNING meter, hour, quantity, events, created_at
    ),
    added AS (
        INSERT INTO shared.api_usage_logs AS h (
            organization_id, meter, hour, quantity, events, created_at
        )
        SELECT new_id, meter, hour, quantity, events, created_at FROM taken ORDER BY meter, hour
        ON CONFLICT (organization_id, meter, hour) DO UPDATE SET
            quantity = h.quantity + excluded.quantity, events = h.events + excluded.events
    ),
    -- They are judged by the weeks of both.
    noted AS (
        INSERT INTO ledger.unjudged_usage (organization_ids, meters, hours, hours_noted)
        SELECT array_agg(new_id), array_agg(t.meter), array_agg(t.hour), count(*)
        FROM (
            SELECT meter, hour FROM taken WHERE hour > at - interval '24 hours'
            UNION SELECT meter, date_trunc('hour', at, 'UTC') FROM taken
        ) AS t
        HAVING count(*) > 0
    )
    SELECT array_agg(DISTINCT meter) INTO meters FROM taken;
    SELECT jsonb_agg(p.payment || jsonb_build_object('organization_id', new_id)) INTO payments
    FROM (
        SELECT a.data || jsonb_build_object(
            'failed', true, 'at', extract(epoch FROM (a.data ->> 'failed_at')::timestamptz)
        ) AS payment
        FROM shared.billing_alerts AS a
        WHERE a.organization_id = old_id AND a.type = 'payment_failed' AND a.resolved_at IS NULL
        UNION ALL
        SELECT jsonb_build_object('failed', false, 'at', extract(epoch FROM l.paid_at))
        FROM shared.last_payments AS l
        WHERE l.organization_id = old_id AND l.paid_at > '-infinity'
    ) AS p;
    DELETE FROM shared.last_payments WHERE organization_id = old_id;
    UPDATE shared.billing_alerts SET
        resolved_at = at, updated_at = at, resolved_by = 'exporter',
        resolution = format('The customer was found to belong to %s.', new_id)
    WHERE organization_id = old_id AND resolved_at IS NULL;
    UPDATE shared.billing_alerts SET organization_id = new_id WHERE organization_id = old_id;
    INSERT INTO shared.quota_overrides (organization_id, meter, quota, set_by, set_at)
    SELECT new_id, meter, quota, set_by, set_at FROM shared.quota_overrides
    WHERE organization_id = old_id
    ON CONFLICT DO NOTHING;
    DELETE FROM shared.quota_overrides WHERE organization_id = old_id;
    PERFORM ledger.apply_credits(at, jsonb_agg(jsonb_build_object(
        'organization_id', new_id, 'credits', c.credits
    ))) FROM shared.credit_balances AS c WHERE c.organization_id = old_id;
    DELETE FROM shared.credit_balances WHERE organization_id = old_id;
    -- What the app said last of the plan holds, whichever of the two it named.
    UPDATE shared.organizations AS o SET
        app_plan = f.app_plan, app_plan_at = f.app_plan_at, app_plan_event = f.app_plan_event
    FROM shared.organizations AS f
    WHERE o.organization_id = new_id AND f.organization_id = old_id
        AND (f.app_plan_at, f.app_plan_event COLLATE "C")
            > (o.app_plan_at, o.app_plan_event COLLATE "C");
    DELETE FROM shared.organizations WHERE organization_id = old_id;
    -- Figures of the new one that hold the moved hours are summed anew.
    DELETE FROM shared.usage WHERE organization_id = old_id;
    DELETE FROM shared.usage_baselines
    WHERE organization_id = old_id OR organization_id = new_id AND meter = ANY (meters)
        AND (closed OR hour >= date_trunc('hour', at, 'UTC'));
    UPDATE shared.usage SET period_end = period_start
    WHERE organization_id = new_id AND meter = ANY (meters);
    UPDATE shared.subscriptions SET organization_id = new_id WHERE organization_id = old_id;
    PERFORM ledger.settle_plans(at, ARRAY[new_id]);
    PERFORM ledger.settle_usage(at, ledger.known_meters(ARRAY[new_id]) || ARRAY(
        SELECT ROW(new_id, meter, NULL, 0, 0, NULL)::ledger.hour_usage FROM unnest(meters) AS meter
    ));
    IF payments IS NOT NULL THEN
        PERFORM ledger.apply_payments(at, ARRAY(
            SELECT ROW(
                p.organization_id, p.failed, to_timestamp(p.at), p.amount_minor, p.currency,
                p.decimals
            )::ledger.payment
            FROM jsonb_to_recordset(payments) AS p (
                organization_id text, failed boolean, at float8, amount_minor bigint,
                currency text, decimals smallint
            )
        ));
    END IF;
END
$$;
