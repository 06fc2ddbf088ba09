-- No plan for the hours of one organisation leads through those of all any more.

-- Whoever uses the ledger is done first, and nobody else begins: the index below takes its time, and
-- who waited for it would hold what the end of a migration locks.
LOCK TABLE ledger.leases IN SHARE ROW EXCLUSIVE MODE;
SELECT ledger.settle_access();

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
