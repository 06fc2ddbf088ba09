-- name: read_leases
SELECT replica, epoch, group_no, held_by, expires_at > clock_timestamp() FROM ledger.leases
ORDER BY replica;

-- name: count_newer_events
SELECT count(*) FROM ledger.event_ids WHERE received_at > %s;

-- name: count_erasures
SELECT count(*) FROM ledger.audit_log WHERE action = 'customer.erase' AND at > %s;

-- name: refuse_live_leases
DO $$
DECLARE
    running text;
BEGIN
    IF to_regclass('ledger.leases') IS NOT NULL THEN
        LOCK TABLE ledger.leases IN ACCESS EXCLUSIVE MODE;
        SELECT replica || ' (' || held_by || ')' INTO running
        FROM ledger.leases WHERE expires_at > clock_timestamp() LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'a replica began to run: %', running;
        END IF;
    END IF;
END
$$;

-- name: take_over
-- Run with `old_ledger` replaced by the name of the ledger that was moved aside.
BEGIN
    INSERT INTO ledger.leases AS l (replica, holder, held_by, group_no, epoch, expires_at)
    SELECT replica, holder, held_by, group_no, epoch, 'epoch' FROM old_ledger.leases
    ON CONFLICT (replica) DO UPDATE SET
        group_no = greatest(l.group_no, excluded.group_no),
        epoch = greatest(l.epoch, excluded.epoch);
    IF to_regclass('ledger.erased') IS NOT NULL AND to_regclass('old_ledger.erased') IS NOT NULL
    THEN
        INSERT INTO ledger.erased (hash, received_at)
        SELECT hash, received_at FROM old_ledger.erased
        ON CONFLICT DO NOTHING;
    END IF;
    IF to_regclass('ledger.api_keys') IS NOT NULL AND to_regclass('old_ledger.api_keys') IS NOT NULL
    THEN
        UPDATE ledger.api_keys AS k SET revoked_at = o.revoked_at FROM old_ledger.api_keys AS o
        WHERE k.key_id = o.key_id AND k.revoked_at IS NULL AND o.revoked_at IS NOT NULL;
        INSERT INTO ledger.api_keys (
            key_id, name, digest, scopes, organization_id, created_at, expires_at, revoked_at
        )
        SELECT key_id, name, digest, scopes, organization_id, created_at, expires_at, revoked_at
        FROM old_ledger.api_keys
        ON CONFLICT DO NOTHING;
        INSERT INTO ledger.audit_log (at, actor, action, target, outcome, details)
        SELECT at, actor, action, target, outcome, details FROM old_ledger.audit_log AS o
        WHERE NOT EXISTS (
            SELECT FROM ledger.audit_log AS n
            WHERE (n.at, n.actor, n.action, n.target) = (o.at, o.actor, o.action, o.target)
        )
        ORDER BY number;
    END IF;
END

-- name: settle_access
-- A backup of an older version has no such function, nor policies.
DO $$
BEGIN
    IF to_regproc('ledger.settle_access') IS NOT NULL THEN
        PERFORM ledger.settle_access();
    END IF;
END
$$;

-- name: begin_epochs
UPDATE ledger.leases SET
    epoch = epoch + 1, holder = gen_random_uuid(), held_by = 'a restore', expires_at = 'epoch';
