-- The tables about organisations: their usage, quotas and alerts. They go with schema.sql.
-- What billing.yml says, as the exporter that started last wrote it.
CREATE TABLE shared.billing_settings (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    default_plan text,
    warning_percent smallint NOT NULL DEFAULT 80,
    critical_percent smallint NOT NULL DEFAULT 95,
    spike_percent integer NOT NULL DEFAULT 150,
    spike_least_minor bigint NOT NULL DEFAULT 5000,
    anomaly_deviations numeric NOT NULL DEFAULT 4,
    anomaly_least_units bigint NOT NULL DEFAULT 100,
    anomaly_least_minor bigint NOT NULL DEFAULT 1000,
    exhaustion_days integer NOT NULL DEFAULT 3,
    silence_hours integer NOT NULL DEFAULT 24,
    low_credits bigint CHECK (low_credits >= 0)
);
INSERT INTO shared.billing_settings DEFAULT VALUES;

-- What a plan has of a meter: its quota, and what a unit costs (minor units) from how many units on.
CREATE TABLE shared.plan_meters (
    plan text NOT NULL,
    meter text NOT NULL,
    quota bigint CHECK (quota >= 0),
    limits bigint[] NOT NULL DEFAULT '{}',
    currency text NOT NULL,
    decimals smallint NOT NULL,
    tier_units bigint[] NOT NULL DEFAULT '{}',
    tier_prices numeric[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (plan, meter),
    CHECK (cardinality(tier_units) = cardinality(tier_prices))
);

-- Which organisation a customer belongs to, by Stripe's account and mode. Without a row a customer
-- is an organisation by itself, of the same id.
CREATE TABLE shared.customers (
    scope text NOT NULL,
    customer_id text NOT NULL,
    organization_id text NOT NULL,
    mapped_by text NOT NULL,
    mapped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, customer_id)
);
CREATE INDEX customers_organization ON shared.customers (organization_id);

-- Who is billed, for what plan, and its current period: that of its subscription (the anchor and
-- what follows it), else the month. Its row is locked before anything else of an organisation.
CREATE TABLE shared.organizations (
    organization_id text PRIMARY KEY,
    plan text,
    anchor_start timestamptz,
    anchor_end timestamptz,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    app_plan text,
    app_plan_at timestamptz NOT NULL DEFAULT '-infinity',
    app_plan_event text NOT NULL DEFAULT ''
) WITH (fillfactor = 80);
CREATE INDEX organizations_period_end ON shared.organizations (period_end);

-- When somebody paid last, and when a payment failed last: most payments touch nothing else.
CREATE TABLE shared.last_payments (
    organization_id text PRIMARY KEY,
    paid_at timestamptz NOT NULL,
    failed_at timestamptz NOT NULL
) WITH (fillfactor = 80);

-- A quota of its own; NULL lifts the plan's.
CREATE TABLE shared.quota_overrides (
    organization_id text NOT NULL,
    meter text NOT NULL,
    quota bigint CHECK (quota >= 0),
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, meter)
);

-- What each hour (UTC) had; `created_at` is when the first of it was committed.
CREATE TABLE shared.api_usage_logs (
    organization_id text NOT NULL,
    meter text NOT NULL,
    hour timestamptz NOT NULL,
    quantity bigint NOT NULL,
    events bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, meter, hour)
) WITH (fillfactor = 80);
-- By time; an expression, so that nobody who looks for some hours of one organisation is led through
-- those of all.
CREATE INDEX api_usage_logs_utc_hour ON shared.api_usage_logs ((hour AT TIME ZONE 'UTC'));
CREATE INDEX idx_api_usage_logs_org_time
ON shared.api_usage_logs (organization_id, created_at DESC);

-- The current period of a meter. `level` is 0, 1 (warning), 2 (critical) or 3 (over its quota), and
-- `passed` the highest of the plan's limits that was passed (0: none); `told_…` is what alerts say.
-- Below `next_units` nothing but `used` changes with use.
CREATE TABLE shared.usage (
    organization_id text NOT NULL,
    meter text NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    used bigint NOT NULL,
    quota bigint,
    cost_minor bigint NOT NULL,
    currency text,
    level smallint NOT NULL,
    passed bigint NOT NULL,
    told_period_start timestamptz NOT NULL,
    told_level smallint NOT NULL DEFAULT 0,
    told_passed bigint NOT NULL DEFAULT 0,
    last_used_at timestamptz,
    next_units bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, meter)
) WITH (fillfactor = 80);
-- Those that are near their quotas or over them: few, and found without looking at the others. Usage
-- that stays on its level doesn't touch it.
CREATE INDEX usage_near_quota ON shared.usage (meter) WHERE level > 0;

CREATE TABLE shared.billing_alerts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id text NOT NULL,
    type text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('critical', 'high', 'medium', 'low')),
    title text NOT NULL,
    message text NOT NULL,
    data jsonb NOT NULL DEFAULT '{}',
    action_required boolean NOT NULL DEFAULT false,
    meter text,
    period_start timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,
    acknowledged_until timestamptz,
    note text,
    resolved_at timestamptz,
    resolved_by text,
    resolution text
);
CREATE UNIQUE INDEX billing_alerts_open
ON shared.billing_alerts (organization_id, type, meter, period_start) NULLS NOT DISTINCT
WHERE resolved_at IS NULL;
CREATE INDEX idx_billing_alerts_unresolved ON shared.billing_alerts (organization_id)
WHERE resolved_at IS NULL;
CREATE INDEX billing_alerts_resolved_at ON shared.billing_alerts (resolved_at)
WHERE resolved_at IS NOT NULL;

-- All that happened to an alert, written with it by a trigger, so that nothing can be left out.
CREATE TABLE shared.billing_alert_transitions (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id uuid NOT NULL REFERENCES shared.billing_alerts (id) ON DELETE CASCADE,
    at timestamptz NOT NULL,
    transition text NOT NULL,
    severity text NOT NULL,
    actor text,
    note text
);
CREATE INDEX billing_alert_transitions_alert ON shared.billing_alert_transitions (alert_id, number);

CREATE FUNCTION ledger.note_transition() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    happened text;
    actor text;
    note text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        happened := 'raised';
    ELSIF NEW.resolved_at IS NOT NULL AND OLD.resolved_at IS NULL THEN
        happened := 'resolved';
        actor := NEW.resolved_by;
        note := NEW.resolution;
    ELSIF NEW.severity <> OLD.severity THEN
        -- One that escalates is acknowledged no more.
        happened := CASE
            WHEN array_position(ARRAY['low', 'medium', 'high', 'critical'], NEW.severity)
                > array_position(ARRAY['low', 'medium', 'high', 'critical'], OLD.severity)
            THEN 'escalated' ELSE 'eased'
        END;
    ELSIF NEW.acknowledged_at IS DISTINCT FROM OLD.acknowledged_at THEN
        happened := CASE WHEN NEW.acknowledged_at IS NULL THEN 'unacknowledged' ELSE 'acknowledged' END;
        actor := coalesce(NEW.acknowledged_by, OLD.acknowledged_by);
        note := NEW.note;
    ELSE
        RETURN NULL;
    END IF;
    INSERT INTO shared.billing_alert_transitions (alert_id, at, transition, severity, actor, note)
    VALUES (NEW.id, NEW.updated_at, happened, NEW.severity, actor, note);
    RETURN NULL;
END
$$;
CREATE TRIGGER note_transition AFTER INSERT OR UPDATE ON shared.billing_alerts
FOR EACH ROW EXECUTE FUNCTION ledger.note_transition();
