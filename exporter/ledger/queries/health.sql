-- name: read_time
SELECT clock_timestamp();

-- name: measure_replication
-- Of streaming standbys; how far they are behind is told to members of pg_monitor alone.
-- One that has nothing to replay has no lag.
SELECT
    count(*),
    extract(epoch FROM max(coalesce(replay_lag, interval '0')) FILTER (WHERE state IS NOT NULL))::float8
    AS lag_seconds
FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup';

-- name: measure_webhooks
-- How long nothing has come, and what did in just that time of each week before that is known. More
-- than a thousand are as good as a thousand.
WITH known AS (
    SELECT
        (SELECT min(received_at) FROM ledger.stripe_bodies) AS first_at,
        (SELECT max(received_at) FROM ledger.stripe_bodies) AS last_at
)
SELECT
    extract(epoch FROM %(now)s::timestamptz - last_at)::float8 AS silence_seconds,
    ARRAY(
        SELECT (
            SELECT count(*) FROM (
                SELECT FROM ledger.stripe_bodies AS b
                WHERE b.received_at > last_at - week * interval '168 hours'
                    AND b.received_at <= %(now)s::timestamptz - week * interval '168 hours'
                LIMIT 1000
            ) AS counted
        )
        FROM generate_series(1, %(weeks)s) AS week
        WHERE first_at <= last_at - week * interval '168 hours'
        ORDER BY week
    ) AS past
FROM known;

-- name: measure_dead_letters
SELECT
    count(*), coalesce(extract(epoch FROM %(now)s::timestamptz - min(received_at)), 0)::float8
FROM ledger.dead_letters WHERE replayed_at IS NULL;

-- name: measure_monitors
SELECT monitor, extract(epoch FROM %(now)s::timestamptz - last_success_at)::float8 AS age_seconds
FROM ledger.monitors;

-- name: write_checks
-- All that there is to be told of this replica, or of the whole; what isn't told any more goes.
WITH gone AS (
    DELETE FROM ledger.health_checks
    WHERE replica = %(replica)s AND name <> ALL (%(names)s::text[])
        OR valid_until < clock_timestamp() - interval '24 hours'
            AND (name, replica) NOT IN (
                SELECT given, %(replica)s FROM unnest(%(names)s::text[]) AS given
            )
)
INSERT INTO ledger.health_checks (name, replica, status, detail, checked_at, valid_until)
SELECT
    name, %(replica)s, status, detail, clock_timestamp(),
    clock_timestamp() + %(valid_seconds)s * interval '1 s'
FROM unnest(%(names)s::text[], %(statuses)s::text[], %(details)s::text[])
    AS c (name, status, detail)
ORDER BY name
ON CONFLICT (name, replica) DO UPDATE SET
    status = excluded.status, detail = excluded.detail, checked_at = excluded.checked_at,
    valid_until = excluded.valid_until;

-- name: read_checks
SELECT name, replica, status, detail, checked_at, valid_until > clock_timestamp() AS is_valid
FROM ledger.health_checks;

-- name: read_organization_health
SELECT organization_id, score, status, reasons
FROM shared.calculate_billing_health_score(%(organization_id)s);

-- name: write_health_gauges
WITH given AS (
    SELECT %(score_metric)s AS metric, '{}'::jsonb AS labels, %(score)s::bigint AS value
    UNION ALL
    SELECT %(points_metric)s, jsonb_build_object('check', name), points
    FROM unnest(%(names)s::text[], %(points)s::bigint[]) AS c (name, points)
),
gone AS (
    DELETE FROM ledger.gauges
    WHERE metric IN (%(score_metric)s, %(points_metric)s)
        AND (metric, labels) NOT IN (SELECT metric, labels FROM given)
)
INSERT INTO ledger.gauges AS g (metric, labels, value)
SELECT metric, labels, value FROM given
ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, written_at = now();
