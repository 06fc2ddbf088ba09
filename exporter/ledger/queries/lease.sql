-- name: read_identity
SELECT ledger_id FROM ledger.identity;

-- name: take_lease
-- A live lease of another holder is left alone: no row comes back.
INSERT INTO ledger.leases AS l (replica, holder, held_by, expires_at)
VALUES (
    %(replica)s, %(holder)s, %(held_by)s,
    clock_timestamp() + %(lease_seconds)s * interval '1 s'
)
ON CONFLICT (replica) DO UPDATE SET
    holder = excluded.holder, held_by = excluded.held_by, expires_at = excluded.expires_at
WHERE l.holder = excluded.holder OR l.expires_at < clock_timestamp()
    OR l.expires_at = %(dead_expires_at)s
RETURNING group_no, epoch;

-- name: limit_lock_wait
SELECT set_config('lock_timeout', (%(seconds)s * 1000)::integer::text, true);

-- name: end_frozen
SELECT a.pid, pg_terminate_backend(a.pid)
FROM pg_stat_activity AS a
JOIN pg_locks AS l ON l.pid = a.pid
WHERE l.relation = 'ledger.leases'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
    AND a.pid <> pg_backend_pid() AND a.usename = current_user AND a.wait_event = 'ClientRead'
    AND a.xact_start < clock_timestamp() - %(seconds)s * interval '1 s';

-- name: read_lease
SELECT holder, held_by, expires_at, group_no, epoch FROM ledger.leases WHERE replica = %(replica)s;

-- name: succeed_lease
-- The process goes by its next connection, also on a server that knows an earlier one only; what
-- comes late from an earlier one finds no row.
UPDATE ledger.leases SET
    holder = %(holder)s, expires_at = clock_timestamp() + %(lease_seconds)s * interval '1 s'
WHERE replica = %(replica)s AND holder <= %(holder)s::uuid
    AND left(holder::text, 24) = left(%(holder)s::text, 24)
RETURNING group_no, epoch;

-- name: renew_lease
UPDATE ledger.leases SET expires_at = clock_timestamp() + %(lease_seconds)s * interval '1 s'
WHERE replica = %(replica)s AND holder = %(holder)s
RETURNING group_no, epoch;

-- name: release_lease
UPDATE ledger.leases SET expires_at = 'epoch'
WHERE replica = %(replica)s AND holder = %(holder)s;

-- name: begin_epoch
UPDATE ledger.leases SET epoch = epoch + 1, group_no = greatest(group_no, %(group_no)s)
WHERE replica = %(replica)s AND holder = %(holder)s
RETURNING group_no, epoch;

-- name: read_totals
SELECT metric, labels, part, layout, amount FROM ledger.current_totals
WHERE replica = %(replica)s AND epoch = %(epoch)s;
