-- The whole schema as the migrations leave it, in one place to read. Nothing runs this file: a test
-- compares it with what migrations/ makes.
CREATE SCHEMA ledger;
CREATE SCHEMA shared;

-- Which migrations were run, and the SHA-256 of their text.
CREATE TABLE ledger.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    run_at timestamptz NOT NULL DEFAULT now()
);

-- Which ledger this is, in its one row: a replica compares it with what it knew before a restore.
CREATE TABLE ledger.identity (
    ledger_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row a replica. Each group raises group_no first, so a lost answer to COMMIT can be told,
-- and a process whose holder was replaced can commit nothing more.
CREATE TABLE ledger.leases (
    replica text PRIMARY KEY,
    holder uuid NOT NULL,
    held_by text NOT NULL,
    group_no bigint NOT NULL DEFAULT 0,
    epoch integer NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL
);

-- The ids that were seen, narrow because it is on the path of every event.
CREATE TABLE ledger.event_ids (
    source text NOT NULL,
    scope text NOT NULL,
    id text NOT NULL,
    digest bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, scope, id)
);
CREATE INDEX event_ids_received_at ON ledger.event_ids (received_at);

-- Facts that several events may carry and that count once: a refund, a customer's first step.
CREATE TABLE ledger.once_keys (
    source text NOT NULL,
    scope text NOT NULL,
    key text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, scope, key)
);

-- Telemetry as it came, a group a row: zlib of one JSON event a line.
CREATE TABLE ledger.contents (
    replica text NOT NULL,
    epoch integer NOT NULL,
    group_no bigint NOT NULL,
    events bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (replica, epoch, group_no)
);
CREATE INDEX contents_received_at ON ledger.contents (received_at);

-- Stripe's bodies as they came: zlib of the raw bytes.
CREATE TABLE ledger.stripe_bodies (
    scope text NOT NULL,
    id text NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, id)
);
CREATE INDEX stripe_bodies_received_at ON ledger.stripe_bodies (received_at);

-- What each group added, appended; folded into totals in the background.
CREATE TABLE ledger.increments (
    replica text NOT NULL,
    epoch integer NOT NULL,
    group_no bigint NOT NULL,
    increments jsonb NOT NULL,
    PRIMARY KEY (replica, epoch, group_no)
);

-- The folded sums, in the metric's stored integer unit.
CREATE TABLE ledger.totals (
    replica text NOT NULL,
    epoch integer NOT NULL,
    metric text NOT NULL,
    labels jsonb NOT NULL,
    part text NOT NULL,
    layout smallint NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (replica, epoch, metric, labels, part, layout)
);

CREATE VIEW ledger.current_totals AS
SELECT replica, epoch, metric, labels, part, layout, sum(amount) AS amount
FROM (
    SELECT replica, epoch, metric, labels, part, layout, amount FROM ledger.totals
    UNION ALL
    SELECT i.replica, i.epoch, r.metric, r.labels, r.part, r.layout, r.amount
    FROM ledger.increments AS i,
        jsonb_to_recordset(i.increments)
        AS r (metric text, labels jsonb, part text, layout smallint, amount numeric)
) AS both_halves
GROUP BY replica, epoch, metric, labels, part, layout;

-- Stripe events that could not be processed; they don't take their id, so they can be replayed.
CREATE TABLE ledger.dead_letters (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope text NOT NULL,
    id text NOT NULL,
    event_type text NOT NULL,
    reason text NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz,
    UNIQUE (scope, id)
);

-- The periodic jobs: who runs each, and when it last succeeded.
CREATE TABLE ledger.monitors (
    monitor text PRIMARY KEY,
    holder uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    last_success_at timestamptz
);

-- Gauges of global state, written by the monitor that owns them, exposed by every replica.
CREATE TABLE ledger.gauges (
    metric text NOT NULL,
    labels jsonb NOT NULL,
    value bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (metric, labels)
);

-- What Stripe last said of each subscription, and which event said it.
CREATE TABLE shared.subscriptions (
    scope text NOT NULL,
    subscription_id text NOT NULL,
    customer_id text,
    livemode boolean NOT NULL,
    status text NOT NULL,
    plan text NOT NULL,
    period_start timestamptz,
    period_end timestamptz,
    terminal boolean NOT NULL,
    created_seconds bigint NOT NULL,
    type_rank smallint NOT NULL,
    status_rank smallint NOT NULL,
    event_id text NOT NULL,
    tied boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL DEFAULT now(),
    organization_id text,
    PRIMARY KEY (scope, subscription_id)
);
CREATE INDEX subscriptions_organization ON shared.subscriptions (organization_id);
CREATE INDEX subscriptions_tied ON shared.subscriptions (scope, subscription_id) WHERE tied;

-- People who look into the ledger: everything but bodies, which hold personal data.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_operator') THEN
        GRANT USAGE ON SCHEMA ledger, shared TO billing_operator;
        GRANT SELECT ON ALL TABLES IN SCHEMA ledger, shared TO billing_operator;
        REVOKE SELECT ON ledger.contents, ledger.stripe_bodies, ledger.dead_letters
        FROM billing_operator;
    END IF;
END
$$;

-- Keys of the API, by the SHA-256 of their secret, which stands nowhere. A key of an organisation
-- acts for it alone.
CREATE TABLE ledger.api_keys (
    key_id text PRIMARY KEY,
    name text NOT NULL,
    digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    organization_id text CHECK (organization_id <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

-- What was done with admin rights, by whom; only ever appended to.
CREATE TABLE ledger.audit_log (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'failed', 'refused')),
    details jsonb NOT NULL DEFAULT '{}'
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_operator') THEN
        GRANT SELECT ON ledger.audit_log TO billing_operator;
        GRANT SELECT (
            key_id, name, scopes, organization_id, created_at, expires_at, revoked_at
        ) ON ledger.api_keys TO billing_operator;
    END IF;
END
$$;

-- What is known of events whose ids named a customer that was erased: hashes, so that they count no
-- second time. Those of ids go when the ids would have gone; those of once keys (received at
-- infinity) stay.
CREATE TABLE ledger.erased (
    hash bytea PRIMARY KEY,
    received_at timestamptz NOT NULL
);

-- The hash that stands for an id ('event') or a once key ('once').
CREATE FUNCTION ledger.erased_hash(kind text, source text, scope text, id text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to(kind || E'\n' || source || E'\n' || scope || E'\n' || id, 'UTF8'));

-- How far the totals of succeeded payments are counted into the hours.
CREATE TABLE ledger.revenue_marks (
    source text NOT NULL,
    livemode boolean NOT NULL,
    currency text NOT NULL,
    total_minor numeric NOT NULL,
    measured_at timestamptz NOT NULL,
    PRIMARY KEY (source, livemode, currency)
);

-- What each hour (UTC) brought, and for how much of it somebody measured.
CREATE TABLE ledger.hourly_revenue (
    hour timestamptz NOT NULL,
    source text NOT NULL,
    livemode boolean NOT NULL,
    currency text NOT NULL,
    amount_minor numeric NOT NULL,
    measured_seconds float8 NOT NULL,
    PRIMARY KEY (hour, source, livemode, currency)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_operator') THEN
        GRANT SELECT ON ledger.revenue_marks, ledger.hourly_revenue TO billing_operator;
    END IF;
END
$$;

-- Every alert that Alertmanager told of. If its cause comes back it starts anew, as another one.
CREATE TABLE shared.alert_history (
    fingerprint text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    state text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN ends_at IS NULL THEN 'firing' ELSE 'resolved' END
    ) STORED,
    name text NOT NULL GENERATED ALWAYS AS (coalesce(labels ->> 'alertname', '')) STORED,
    severity text NOT NULL GENERATED ALWAYS AS (coalesce(labels ->> 'severity', '')) STORED,
    labels jsonb NOT NULL,
    annotations jsonb NOT NULL,
    generator_url text NOT NULL,
    receivers text[] NOT NULL,
    first_received_at timestamptz NOT NULL DEFAULT now(),
    last_received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (fingerprint, starts_at)
);
CREATE INDEX alert_history_last_received_at ON shared.alert_history (last_received_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_operator') THEN
        GRANT SELECT ON shared.alert_history TO billing_operator;
    END IF;
END
$$;
