-- name: read_last_backup
SELECT at, details ->> 'checked' = 'true' FROM ledger.audit_log
WHERE action = 'ledger.backup' AND outcome = 'done' ORDER BY number DESC LIMIT 1;

-- name: read_last_told
-- What Alertmanager last told of: anything, or the alert with these labels.
SELECT max(last_received_at) FROM shared.alert_history
WHERE labels @> coalesce(%(labels)s::jsonb, '{}');

-- name: read_clock
SELECT extract(epoch FROM clock_timestamp())::float8;
