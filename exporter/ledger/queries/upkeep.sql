-- name: take_monitor
INSERT INTO ledger.monitors AS m (monitor, holder, expires_at)
VALUES (%(monitor)s, %(holder)s, clock_timestamp() + %(lease_seconds)s * interval '1 s')
ON CONFLICT (monitor) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE m.holder = excluded.holder OR m.expires_at < clock_timestamp()
RETURNING monitor;

-- name: mark_monitor_success
UPDATE ledger.monitors SET last_success_at = clock_timestamp()
WHERE monitor = %(monitor)s AND holder = %(holder)s;

-- name: release_monitors
UPDATE ledger.monitors SET expires_at = 'epoch' WHERE holder = %(holder)s;

-- name: read_monitors
SELECT monitor, extract(epoch FROM last_success_at)::float8 AS last_success_seconds
FROM ledger.monitors;

-- name: fold
-- What is deleted is what is added, in one statement.
WITH taken AS (
    DELETE FROM ledger.increments
    WHERE (replica, epoch, group_no) IN (
        SELECT replica, epoch, group_no FROM ledger.increments
        ORDER BY replica, epoch, group_no
        LIMIT %(rows)s
        FOR UPDATE SKIP LOCKED
    )
    RETURNING replica, epoch, increments
),
summed AS (
    SELECT t.replica, t.epoch, r.metric, r.labels, r.part, r.layout, sum(r.amount) AS amount
    FROM taken AS t,
        jsonb_to_recordset(t.increments)
        AS r (metric text, labels jsonb, part text, layout smallint, amount numeric)
    GROUP BY t.replica, t.epoch, r.metric, r.labels, r.part, r.layout
    ORDER BY t.replica, t.epoch, r.metric, r.labels, r.part, r.layout
),
added AS (
    INSERT INTO ledger.totals AS old (replica, epoch, metric, labels, part, layout, amount)
    SELECT replica, epoch, metric, labels, part, layout, amount FROM summed
    ON CONFLICT (replica, epoch, metric, labels, part, layout)
    DO UPDATE SET amount = old.amount + excluded.amount
)
SELECT count(*) FROM taken;

-- name: prune_event_ids
DELETE FROM ledger.event_ids WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ledger.event_ids
    WHERE received_at < now() - %(days)s * interval '24 hours'
    ORDER BY received_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED
));

-- name: prune_erased
DELETE FROM ledger.erased WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ledger.erased
    WHERE received_at < now() - %(days)s * interval '24 hours'
    LIMIT %(rows)s FOR UPDATE SKIP LOCKED
));

-- name: prune_stripe_bodies
DELETE FROM ledger.stripe_bodies WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ledger.stripe_bodies
    WHERE received_at < now() - %(days)s * interval '24 hours'
    ORDER BY received_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED
));

-- name: prune_contents
DELETE FROM ledger.contents WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ledger.contents
    WHERE received_at < now() - %(days)s * interval '24 hours'
    ORDER BY received_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED
));

-- name: prune_alert_history
DELETE FROM shared.alert_history WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM shared.alert_history
    WHERE last_received_at < now() - %(days)s * interval '24 hours'
    ORDER BY last_received_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED
));

-- name: prune_api_usage_logs
-- Those of a period that goes on are needed.
DELETE FROM shared.api_usage_logs WHERE ctid = ANY (ARRAY(
    SELECT h.ctid FROM shared.api_usage_logs AS h
    WHERE h.hour AT TIME ZONE 'UTC'
        < date_trunc('hour', now() AT TIME ZONE 'UTC' - %(days)s * interval '24 hours')
        AND NOT EXISTS (
            SELECT FROM shared.organizations AS o
            WHERE o.organization_id = h.organization_id AND o.period_start <= h.hour
        )
    ORDER BY h.hour AT TIME ZONE 'UTC' LIMIT %(rows)s FOR UPDATE OF h SKIP LOCKED
));

-- name: prune_billing_alerts
DELETE FROM shared.billing_alerts WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM shared.billing_alerts
    WHERE resolved_at < now() - %(days)s * interval '24 hours'
    ORDER BY resolved_at LIMIT %(rows)s FOR UPDATE SKIP LOCKED
));

-- name: limit_lock_waits
SELECT set_config('lock_timeout', %(timeout_ms)s::text, true);

-- name: sweep_usage
SELECT ledger.sweep_usage(clock_timestamp(), %(organizations)s);

-- name: read_changes
-- Differs whenever subscriptions may have: with each group, and each pass that resolves ties.
SELECT
    (SELECT sum(group_no) FROM ledger.leases),
    (SELECT last_success_at FROM ledger.monitors WHERE monitor = 'ties');

-- name: write_subscription_gauges
WITH counted AS (
    SELECT
        jsonb_build_object('livemode', livemode::text, 'plan', plan, 'status', status) AS labels,
        count(*) AS value
    FROM shared.subscriptions
    GROUP BY livemode, plan, status
),
gone AS (
    DELETE FROM ledger.gauges
    WHERE metric = %(metric)s AND labels NOT IN (SELECT labels FROM counted)
)
INSERT INTO ledger.gauges AS g (metric, labels, value)
SELECT %(metric)s, labels, value FROM counted
ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, written_at = now();

-- name: write_measures
-- The limit keeps a long backlog from making its own count a burden.
INSERT INTO ledger.gauges AS g (metric, labels, value)
VALUES
    (%(size_metric)s, '{}', pg_database_size(current_database())),
    (
        %(unfolded_metric)s, '{}',
        (SELECT count(*) FROM (SELECT FROM ledger.increments LIMIT 100000) AS counted)
    )
ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, written_at = now();

-- name: read_gauges
SELECT metric, labels, value FROM ledger.gauges;

-- name: read_clock
SELECT extract(epoch FROM clock_timestamp())::float8;

-- name: measure_dead_letters
SELECT count(*), coalesce(extract(epoch FROM min(received_at)), 0)::float8 AS oldest_seconds
FROM ledger.dead_letters WHERE replayed_at IS NULL;

-- name: list_dead_letters
SELECT number, scope, id, event_type, reason, received_at, replayed_at
FROM ledger.dead_letters
WHERE %(every)s OR replayed_at IS NULL
ORDER BY number;

-- name: read_dead_letter
SELECT number, scope, id, body FROM ledger.dead_letters
WHERE number = %(number)s AND replayed_at IS NULL;

-- name: mark_replayed
UPDATE ledger.dead_letters SET replayed_at = now()
WHERE number = %(number)s AND replayed_at IS NULL;

-- name: read_ties
SELECT scope, subscription_id, event_id, livemode FROM shared.subscriptions
WHERE tied ORDER BY scope, subscription_id LIMIT %(rows)s;

-- name: resolve_tie
UPDATE shared.subscriptions SET
    status = %(status)s,
    plan = %(plan)s,
    period_start = to_timestamp(%(period_start)s::float8),
    period_end = to_timestamp(%(period_end)s::float8),
    terminal = %(terminal)s,
    tied = false,
    changed_at = now()
WHERE scope = %(scope)s AND subscription_id = %(subscription_id)s AND event_id = %(event_id)s;
