-- name: lock_revenue
LOCK TABLE ledger.revenue_marks IN SHARE ROW EXCLUSIVE MODE;

-- name: read_time
SELECT clock_timestamp();

-- name: count_revenue
-- What the totals of all replicas and epochs rose by since the marks, which move along.
WITH totals AS (
    SELECT
        labels ->> 'source' AS source, labels ->> 'livemode' = 'true' AS livemode,
        labels ->> 'currency' AS currency, sum(amount) AS total_minor
    FROM ledger.current_totals
    WHERE metric = %(metric)s AND labels ?& ARRAY['source', 'livemode', 'currency']
    GROUP BY 1, 2, 3
),
risen AS (
    SELECT
        source, livemode, currency, t.total_minor,
        t.total_minor - coalesce(m.total_minor, 0) AS amount_minor,
        coalesce(
            least(extract(epoch FROM %(now)s::timestamptz - m.measured_at), %(longest_seconds)s), 0
        ) AS measured_seconds
    FROM totals AS t LEFT JOIN ledger.revenue_marks AS m USING (source, livemode, currency)
),
marked AS (
    INSERT INTO ledger.revenue_marks (source, livemode, currency, total_minor, measured_at)
    SELECT source, livemode, currency, total_minor, %(now)s::timestamptz FROM risen
    ON CONFLICT (source, livemode, currency)
    DO UPDATE SET total_minor = excluded.total_minor, measured_at = excluded.measured_at
)
INSERT INTO ledger.hourly_revenue AS h (
    hour, source, livemode, currency, amount_minor, measured_seconds
)
SELECT
    date_trunc('hour', %(now)s::timestamptz, 'UTC'), source, livemode, currency, amount_minor,
    greatest(measured_seconds, 0)
FROM risen
ON CONFLICT (hour, source, livemode, currency) DO UPDATE SET
    amount_minor = h.amount_minor + excluded.amount_minor,
    measured_seconds = h.measured_seconds + excluded.measured_seconds;

-- name: write_revenue_gauges
-- Of the last full hour, where it was measured all along; what is expected of it is the median of
-- the same hour of the weeks before, of two at least.
WITH last AS (
    SELECT date_trunc('hour', %(now)s::timestamptz, 'UTC') - interval '1 hour' AS hour
),
judged AS (
    SELECT
        jsonb_build_object(
            'source', now.source, 'livemode', now.livemode::text, 'currency', now.currency
        ) AS labels,
        now.amount_minor, past.weeks, past.expected_minor
    FROM last
    JOIN ledger.hourly_revenue AS now USING (hour)
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS weeks,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY p.amount_minor::float8) AS expected_minor
        FROM generate_series(1, %(weeks)s) AS week
        JOIN ledger.hourly_revenue AS p
            ON p.hour = now.hour - week * interval '168 hours'
            AND (p.source, p.livemode, p.currency) = (now.source, now.livemode, now.currency)
        WHERE p.measured_seconds >= %(least_seconds)s
    ) AS past
    WHERE now.measured_seconds >= %(least_seconds)s
),
gauges AS (
    SELECT %(amount_metric)s AS metric, labels, amount_minor::bigint AS value FROM judged
    UNION ALL
    SELECT %(expected_metric)s, labels, expected_minor::bigint FROM judged
    WHERE weeks >= %(least_weeks)s
),
gone AS (
    DELETE FROM ledger.gauges
    WHERE metric IN (%(amount_metric)s, %(expected_metric)s)
        AND (metric, labels) NOT IN (SELECT metric, labels FROM gauges)
)
INSERT INTO ledger.gauges AS g (metric, labels, value)
SELECT metric, labels, value FROM gauges
ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, written_at = now();

-- name: prune_revenue
DELETE FROM ledger.hourly_revenue
WHERE hour < %(now)s::timestamptz - (%(weeks)s + 1) * interval '168 hours';
