-- name: set_limits
-- Limits of this transaction only, so that nothing relies on a session's state.
SELECT
    set_config('synchronous_commit', 'on', true),
    set_config('lock_timeout', '3000', true),
    set_config('statement_timeout', '20000', true),
    set_config('idle_in_transaction_session_timeout', '5000', true);

-- name: raise_group
UPDATE ledger.leases
SET group_no = group_no + 1, expires_at = clock_timestamp() + %(lease_seconds)s * interval '1 s'
WHERE replica = %(replica)s AND holder = %(holder)s
RETURNING group_no, epoch;

-- name: claim_ids
INSERT INTO ledger.event_ids (source, scope, id, digest)
SELECT source, scope, id, digest
FROM unnest(%b::text[], %b::text[], %b::text[], %b::bigint[]) AS new (source, scope, id, digest)
-- Of the ids that named an erased customer only hashes are left. Mostly there are none at all;
-- else each is looked up by the index, which EXISTS would not always do.
WHERE NOT (
    EXISTS (SELECT FROM ledger.erased)
    AND (
        SELECT hash FROM ledger.erased
        WHERE hash = ledger.erased_hash('event', new.source, new.scope, new.id)
    ) IS NOT NULL
)
ON CONFLICT DO NOTHING
RETURNING source, scope, id;

-- name: claim_once_keys
INSERT INTO ledger.once_keys (source, scope, key)
SELECT source, scope, key
FROM unnest(%b::text[], %b::text[], %b::text[]) AS new (source, scope, key)
WHERE NOT (
    EXISTS (SELECT FROM ledger.erased)
    AND (
        SELECT hash FROM ledger.erased
        WHERE hash = ledger.erased_hash('once', new.source, new.scope, new.key)
    ) IS NOT NULL
)
ON CONFLICT DO NOTHING
RETURNING source, scope, key;

-- name: read_digests
SELECT e.source, e.scope, e.id, e.digest
FROM unnest(%b::text[], %b::text[], %b::text[]) AS known (source, scope, id)
JOIN ledger.event_ids AS e USING (source, scope, id);

-- name: keep_contents
INSERT INTO ledger.contents (replica, epoch, group_no, events) VALUES (%s, %s, %s, %s);

-- name: keep_stripe_bodies
INSERT INTO ledger.stripe_bodies (scope, id, body)
SELECT scope, id, body FROM unnest(%b::text[], %b::text[], %b::bytea[]) AS new (scope, id, body)
ON CONFLICT DO NOTHING;

-- name: append_increments
INSERT INTO ledger.increments (replica, epoch, group_no, increments) VALUES (%s, %s, %s, %s);

-- name: apply_subscriptions
-- The later state wins whatever the order of arrival. Every row is locked here, the loser's too.
INSERT INTO shared.subscriptions AS s (
    scope, subscription_id, customer_id, livemode, status, plan, period_start, period_end,
    terminal, created_seconds, type_rank, status_rank, event_id
)
SELECT
    scope, subscription_id, customer_id, livemode, status, plan, to_timestamp(period_start),
    to_timestamp(period_end), terminal, created_seconds, type_rank, status_rank, event_id
FROM unnest(
    %b::text[], %b::text[], %b::text[], %b::bool[], %b::text[], %b::text[], %b::float8[],
    %b::float8[], %b::bool[], %b::bigint[], %b::smallint[], %b::smallint[], %b::text[]
) AS new (
    scope, subscription_id, customer_id, livemode, status, plan, period_start, period_end,
    terminal, created_seconds, type_rank, status_rank, event_id
)
ON CONFLICT (scope, subscription_id) DO UPDATE SET
    customer_id = excluded.customer_id,
    livemode = excluded.livemode,
    status = excluded.status,
    plan = excluded.plan,
    period_start = excluded.period_start,
    period_end = excluded.period_end,
    terminal = excluded.terminal,
    created_seconds = excluded.created_seconds,
    type_rank = excluded.type_rank,
    status_rank = excluded.status_rank,
    event_id = excluded.event_id,
    tied = NOT excluded.terminal AND excluded.created_seconds = s.created_seconds,
    changed_at = now()
-- Ids are compared by code point, as StateOrder does it, whatever the database's collation.
WHERE (excluded.terminal, excluded.created_seconds, excluded.type_rank, excluded.status_rank,
       excluded.event_id COLLATE "C")
    > (s.terminal, s.created_seconds, s.type_rank, s.status_rank, s.event_id COLLATE "C");

-- name: mark_ties
-- Two events of one second: their order is a guess until Stripe is asked. An end is none.
UPDATE shared.subscriptions AS s SET tied = true
FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::text[])
    AS new (scope, subscription_id, created_seconds, event_id)
WHERE s.scope = new.scope AND s.subscription_id = new.subscription_id
    AND s.created_seconds = new.created_seconds AND s.event_id <> new.event_id
    AND NOT s.terminal AND NOT s.tied;

-- name: keep_dead_letters
INSERT INTO ledger.dead_letters (scope, id, event_type, reason, body)
SELECT scope, id, event_type, reason, body
FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::bytea[])
    AS new (scope, id, event_type, reason, body)
ON CONFLICT DO NOTHING
RETURNING scope, id;
