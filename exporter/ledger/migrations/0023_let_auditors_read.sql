-- Give the roles that there are their rights, and no others, on everything that there is. The owner
-- and billing_writer (the exporter, where it isn't the owner) see and write all, billing_operator
-- reads all but bodies, billing_auditor who did what, billing_reader what is of
-- billing.organization_id. It is called when migrations have run and when a backup was restored, and
-- to be called when a role was made since.
CREATE OR REPLACE FUNCTION ledger.settle_access() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own CONSTANT text :=
        'organization_id = nullif(current_setting(''billing.organization_id'', true), '''')';
    made record;
    policy record;
    role_name name;
    roles name[] := ARRAY(
        SELECT r.rolname FROM pg_roles AS r
        WHERE r.rolname IN (
            'billing_writer', 'billing_operator', 'billing_auditor', 'billing_reader'
        )
    );
BEGIN
    FOR made IN
        SELECT c.oid::regclass::text AS name, c.oid, pg_get_userbyid(c.relowner) AS owner,
            CASE
                WHEN c.relname IN ('billing_settings', 'plan_meters') THEN 'true'
                WHEN 'organization_id' = ANY (columns.names) THEN own
                WHEN 'alert_id' = ANY (columns.names)
                THEN 'EXISTS (SELECT FROM shared.billing_alerts AS a WHERE a.id = alert_id)'
            END AS shown
        FROM pg_class AS c CROSS JOIN LATERAL (
            SELECT array_agg(a.attname) AS names FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ) AS columns
        WHERE c.relnamespace = 'shared'::regnamespace AND c.relkind IN ('r', 'p')
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', made.name
        );
        FOR policy IN
            SELECT * FROM (VALUES
                ('owner', made.owner, 'ALL', 'true'),
                ('writer', 'billing_writer', 'ALL', 'true'),
                ('operator', 'billing_operator', 'SELECT', 'true'),
                ('auditor', 'billing_auditor', 'SELECT', CASE
                    WHEN made.name IN ('shared.billing_alerts', 'shared.billing_alert_transitions',
                        'shared.quota_overrides') THEN 'true'
                END),
                ('reader', 'billing_reader', 'SELECT', made.shown)
            ) AS p (name, role_name, command, shown)
        LOOP
            IF EXISTS (
                SELECT FROM pg_policy AS p
                WHERE p.polrelid = made.oid AND p.polname = policy.name
            ) THEN
                EXECUTE format('DROP POLICY %I ON %s', policy.name, made.name);
            END IF;
            IF policy.shown IS NOT NULL
                AND (policy.name = 'owner' OR policy.role_name = ANY (roles))
            THEN
                EXECUTE format('CREATE POLICY %I ON %s FOR %s TO %I USING (%s)',
                    policy.name, made.name, policy.command, policy.role_name, policy.shown);
            END IF;
        END LOOP;
        IF made.shown IS NOT NULL AND 'billing_reader' = ANY (roles) THEN
            EXECUTE format('GRANT SELECT ON %s TO billing_reader', made.name);
        END IF;
    END LOOP;

    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger, shared FROM PUBLIC;
    FOREACH role_name IN ARRAY roles LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA ledger, shared TO %I', role_name);
        IF role_name = 'billing_writer' THEN
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ledger, shared
            TO billing_writer;
            REVOKE UPDATE, DELETE ON ledger.audit_log FROM billing_writer;
            REVOKE INSERT, UPDATE, DELETE ON ledger.migrations FROM billing_writer;
            GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger, shared TO billing_writer;
            CONTINUE;
        END IF;
        IF role_name = 'billing_auditor' THEN
            GRANT SELECT ON ledger.audit_log, shared.billing_alerts,
                shared.billing_alert_transitions, shared.quota_overrides TO billing_auditor;
            GRANT SELECT (
                key_id, name, scopes, organization_id, created_at, expires_at, revoked_at
            ) ON ledger.api_keys TO billing_auditor;
            CONTINUE;
        END IF;
        EXECUTE format('GRANT EXECUTE ON FUNCTION ledger.organization_health, '
            'ledger.usage_anomalies, ledger.dashboard_metrics, ledger.period_at, '
            'ledger.month_start, ledger.usage_cost, ledger.usage_level, '
            'shared.calculate_billing_health_score, '
            'shared.detect_usage_anomalies, shared.get_billing_dashboard_metrics TO %I', role_name);
        IF role_name = 'billing_operator' THEN
            GRANT SELECT ON ALL TABLES IN SCHEMA ledger, shared TO billing_operator;
            REVOKE SELECT ON ledger.contents, ledger.stripe_bodies, ledger.dead_letters,
                ledger.erased, ledger.api_keys FROM billing_operator;
            GRANT SELECT (
                key_id, name, scopes, organization_id, created_at, expires_at, revoked_at
            ) ON ledger.api_keys TO billing_operator;
            GRANT EXECUTE ON FUNCTION shared.auto_resolve_stale_alerts TO billing_operator;
        END IF;
    END LOOP;
END
$$;
