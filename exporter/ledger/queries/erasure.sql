-- name: stop_writers
-- Every group raises its lease first: with this lock none is between its claim and its commit, so
-- none has yet to see the hashes that are written here.
LOCK TABLE ledger.leases IN SHARE ROW EXCLUSIVE MODE;

-- name: find_event_ids
-- What may name one of the ids; whether it does is looked at outside.
SELECT source, scope, id FROM ledger.event_ids
WHERE EXISTS (
    SELECT FROM unnest(%(ids)s::text[]) AS one (id)
    WHERE position(lower(one.id) IN lower(scope || ' ' || event_ids.id)) > 0
);

-- name: hash_event_ids
WITH gone AS (
    DELETE FROM ledger.event_ids AS e
    USING unnest(%s::text[], %s::text[], %s::text[]) AS named (source, scope, id)
    WHERE (e.source, e.scope, e.id) = (named.source, named.scope, named.id)
    RETURNING e.source, e.scope, e.id, e.received_at
)
INSERT INTO ledger.erased (hash, received_at)
SELECT ledger.erased_hash('event', source, scope, id), received_at FROM gone
ON CONFLICT DO NOTHING;

-- name: find_once_keys
-- A fact, and the id of what it is about.
SELECT source, scope, key FROM ledger.once_keys
WHERE split_part(key, ':', 2) = ANY (%(ids)s);

-- name: hash_once_keys
WITH gone AS (
    DELETE FROM ledger.once_keys AS o
    USING unnest(%s::text[], %s::text[], %s::text[]) AS named (source, scope, key)
    WHERE (o.source, o.scope, o.key) = (named.source, named.scope, named.key)
    RETURNING o.source, o.scope, o.key
)
INSERT INTO ledger.erased (hash, received_at)
SELECT ledger.erased_hash('once', source, scope, key), 'infinity' FROM gone
ON CONFLICT DO NOTHING;

-- name: count_subscriptions
SELECT count(*) FROM shared.subscriptions WHERE customer_id = ANY (%(ids)s);

-- name: forget_subscriptions
UPDATE shared.subscriptions SET customer_id = NULL, organization_id = NULL
WHERE customer_id = ANY (%(ids)s);

-- name: count_customers
SELECT count(*) FROM shared.customers WHERE customer_id = ANY (%(ids)s);

-- name: forget_customers
DELETE FROM shared.customers WHERE customer_id = ANY (%(ids)s);

-- name: count_organizations
SELECT count(*) FROM shared.organizations WHERE organization_id = ANY (%(ids)s);

-- name: forget_organizations
-- The row of the organisation goes last, as it is what others lock; those of its alerts take the
-- history of the alerts with them.
WITH ids AS MATERIALIZED (
    SELECT organization_id FROM shared.organizations
    WHERE organization_id = ANY (%(ids)s)
    ORDER BY organization_id FOR UPDATE
),
alerts AS (DELETE FROM shared.billing_alerts WHERE organization_id IN (SELECT * FROM ids)),
overrides AS (DELETE FROM shared.quota_overrides WHERE organization_id IN (SELECT * FROM ids)),
figures AS (DELETE FROM shared.usage WHERE organization_id IN (SELECT * FROM ids)),
payments AS (DELETE FROM shared.last_payments WHERE organization_id IN (SELECT * FROM ids)),
credits AS (
    DELETE FROM shared.credit_balances WHERE organization_id IN (SELECT * FROM ids)
),
series AS (
    DELETE FROM ledger.gauges WHERE labels ->> 'organization_id' IN (SELECT * FROM ids)
),
logs AS (DELETE FROM shared.api_usage_logs WHERE organization_id IN (SELECT * FROM ids))
DELETE FROM shared.organizations WHERE organization_id IN (SELECT * FROM ids);

-- name: forget_notes
-- It waits for a pass that judges one of them; what that keeps is forgotten after it.
UPDATE ledger.unjudged_usage AS n SET organization_ids = ARRAY(
    SELECT CASE WHEN noted.id = ANY (%(ids)s) THEN '' ELSE noted.id END
    FROM unnest(n.organization_ids) WITH ORDINALITY AS noted (id, place) ORDER BY noted.place
)
WHERE n.organization_ids && %(ids)s;

-- name: forget_baselines
DELETE FROM shared.usage_baselines WHERE organization_id = ANY (%(ids)s);

-- name: empty_dead_letter
UPDATE ledger.dead_letters SET
    body = %(body)s, reason = 'erased', replayed_at = coalesce(replayed_at, now())
WHERE number = %(number)s;

-- name: count_keys
SELECT count(*) FROM ledger.api_keys WHERE organization_id = ANY (%(ids)s);

-- name: delete_keys
DELETE FROM ledger.api_keys WHERE organization_id = ANY (%(ids)s);

-- name: find_alerts
-- What may name one of the ids, as it stands in JSON; whether it does is looked at outside.
SELECT fingerprint, starts_at, told FROM (
    SELECT
        fingerprint, starts_at,
        jsonb_build_array(labels, annotations, generator_url)::text AS told
    FROM shared.alert_history
) AS alerts
WHERE EXISTS (
    SELECT FROM unnest(%(ids)s::text[]) AS one (id)
    WHERE position(lower(trim(BOTH '"' FROM to_jsonb(one.id)::text)) IN lower(told)) > 0
);

-- name: delete_alert
DELETE FROM shared.alert_history WHERE (fingerprint, starts_at) = (%s, %s);

-- name: find_set_aside
-- Ledgers that a restore replaced.
SELECT nspname::text FROM pg_namespace
WHERE starts_with(nspname, 'ledger_before_') OR starts_with(nspname, 'shared_before_')
ORDER BY nspname;
