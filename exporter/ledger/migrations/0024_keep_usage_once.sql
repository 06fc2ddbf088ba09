-- An hour of a meter was kept twice: by each commit in the log, and summed. The log is by hour now,
-- which is what was asked of both, and half as much is written.

DROP TABLE shared.api_usage_logs;
ALTER TABLE shared.usage_hours RENAME TO api_usage_logs;
ALTER INDEX shared.usage_hours_hour RENAME TO api_usage_logs_hour;
ALTER TABLE shared.api_usage_logs ADD COLUMN created_at timestamptz;
-- Written anew at once, without dead rows.
ALTER TABLE shared.api_usage_logs ALTER COLUMN created_at TYPE timestamptz USING hour;
ALTER TABLE shared.api_usage_logs ALTER COLUMN created_at SET NOT NULL;
CREATE INDEX idx_api_usage_logs_org_time
ON shared.api_usage_logs (organization_id, created_at DESC);
DROP INDEX shared.usage_untold;

-- What is named after the table. Functions name it in text; those that write it are made anew by the
-- next migrations.
DO $$
DECLARE
    old_name name;
    function regprocedure;
BEGIN
    FOR old_name IN
        SELECT c.conname FROM pg_constraint AS c
        WHERE c.conrelid = 'shared.api_usage_logs'::regclass AND c.conname LIKE 'usage\_hours\_%'
    LOOP
        EXECUTE format('ALTER TABLE shared.api_usage_logs RENAME CONSTRAINT %I TO %I', old_name,
            replace(old_name, 'usage_hours_', 'api_usage_logs_'));
    END LOOP;
    FOR function IN
        SELECT p.oid FROM pg_proc AS p
        WHERE p.pronamespace IN ('ledger'::regnamespace, 'shared'::regnamespace)
            AND position('shared.usage_hours' IN p.prosrc) > 0
    LOOP
        EXECUTE replace(pg_get_functiondef(function), 'shared.usage_hours', 'shared.api_usage_logs');
    END LOOP;
END
$$;
