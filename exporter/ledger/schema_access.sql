-- Who may see what, and what people call.

CREATE FUNCTION shared.calculate_billing_health_score(
    organization text,
    OUT organization_id text, OUT score integer, OUT status text, OUT reasons jsonb
) RETURNS SETOF record LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT h.organization_id, h.score, h.status, h.reasons
    FROM ledger.organization_health(clock_timestamp(), organization) AS h;
END;
COMMENT ON FUNCTION shared.calculate_billing_health_score IS
'How well an organisation fares now; no row if nothing is known of it. score: 0 to 100. status: healthy (80 or more), degraded (50 or more), critical. reasons: what was taken from 100, [{reason, points, detail}], reason being payment_failed, over_quota, near_quota or open_alerts.';

CREATE FUNCTION shared.detect_usage_anomalies(
    hours integer, threshold numeric,
    OUT organization_id text, OUT meter text, OUT hour timestamptz, OUT used bigint,
    OUT expected bigint, OUT ratio numeric, OUT direction text
) RETURNS SETOF record LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.organization_id, a.meter, a.hour, a.used, a.expected, a.ratio, a.direction
    FROM ledger.usage_anomalies(clock_timestamp(), hours, threshold) AS a;
END;
COMMENT ON FUNCTION shared.detect_usage_anomalies IS
'Which of the last full hours (1 to 744) had at least threshold (more than 1) times the usage of the same hour of the seven days before, or that fraction of it; the largest difference first. hour: its start. used, expected: units. ratio: used to expected, NULL if nothing was expected. direction: above or below.';

CREATE FUNCTION shared.get_billing_dashboard_metrics(
    organization text,
    OUT organization_id text, OUT plan text, OUT period_start timestamptz,
    OUT period_end timestamptz, OUT meter text, OUT used bigint, OUT quota bigint,
    OUT percentage numeric, OUT cost_minor bigint, OUT currency text, OUT previous_used bigint,
    OUT trend_percent numeric, OUT open_critical bigint, OUT open_high bigint,
    OUT open_medium bigint, OUT open_low bigint
) RETURNS SETOF record LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT m.organization_id, m.plan, m.period_start, m.period_end, m.meter, m.used, m.quota,
        m.percentage, m.cost_minor, m.currency, m.previous_used, m.trend_percent,
        m.open_critical, m.open_high, m.open_medium, m.open_low
    FROM ledger.dashboard_metrics(clock_timestamp(), organization) AS m;
END;
COMMENT ON FUNCTION shared.get_billing_dashboard_metrics IS
'The current period of an organisation, a row a meter; no row if nothing is known of it. quota: NULL for none. percentage: of the quota, one decimal, cut off. cost_minor: what usage costs so far, in the currency''s minor unit. previous_used: the units of the same part (up to the last full hour) of the period before. trend_percent: what changed since; NULL if that was nothing. open_critical, open_high, open_medium, open_low: the open alerts of the organisation.';

-- The caller may not write: it runs with the rights of the role that migrates.
CREATE FUNCTION shared.auto_resolve_stale_alerts() RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    actor text := 'database role ' || session_user;
    resolved integer := ledger.resolve_stale_alerts(clock_timestamp(), actor);
BEGIN
    INSERT INTO ledger.audit_log (actor, action, target, outcome, details) VALUES (
        actor, 'alerts.resolve_stale', 'shared.billing_alerts', 'done',
        jsonb_build_object('resolved', resolved)
    );
    RETURN resolved;
END
$$;
COMMENT ON FUNCTION shared.auto_resolve_stale_alerts IS
'Resolves the open alerts that have outlived their cause, in the name of the role that calls it, and returns how many: about usage of a period that is over, or below its threshold again; a failed payment after which one succeeded; and, about no period, what nothing changed for 30 days.';

-- Give the roles that there are their rights, and no others, on everything that there is. The owner
-- and billing_writer (the exporter, where it isn't the owner) see and write all, billing_operator
-- reads all but bodies, billing_auditor who did what, billing_reader what is of
-- billing.organization_id. It is called when migrations have run and when a backup was restored, and
-- to be called when a role was made since.
CREATE FUNCTION ledger.settle_access() RETURNS void
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

ALTER VIEW ledger.current_totals SET (security_invoker = true);
SELECT ledger.settle_access();
