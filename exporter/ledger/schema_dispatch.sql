-- What Alertmanager is told of alerts, and what it tells back. It goes with schema.sql.

-- The word for a severity in labels of Prometheus and Alertmanager.
CREATE FUNCTION ledger.severity_label(severity text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE severity WHEN 'critical' THEN 'critical' WHEN 'low' THEN 'info' ELSE 'warning' END
$$;

-- How many are open, and those of one type, whatever is open of others.
CREATE INDEX billing_alerts_open_type ON shared.billing_alerts (type, severity)
WHERE resolved_at IS NULL;

-- One row for each set of labels that Alertmanager is told of, until it was told of its end for
-- long enough. Without an alert it is the summary of a type. `tried` are the runs of Alertmanagers
-- that may have been told that it fires, `lives` those that surely were, and `end_told_at` is when one
-- of these was told of its end. Until `held_until` it fires in any case, so that a run that is new to
-- it tells people of it.
CREATE TABLE ledger.dispatched_alerts (
    type text NOT NULL,
    alert_id uuid REFERENCES shared.billing_alerts (id) ON DELETE CASCADE,
    organization_id text,
    meter text,
    severity text NOT NULL,
    starts_at timestamptz NOT NULL,
    ended_at timestamptz,
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tried text[] NOT NULL DEFAULT '{}',
    lives text[] NOT NULL DEFAULT '{}',
    held_until timestamptz,
    end_told_at timestamptz,
    UNIQUE NULLS NOT DISTINCT (type, alert_id, severity, starts_at)
);
CREATE INDEX dispatched_alerts_alert ON ledger.dispatched_alerts (alert_id);

-- The silence that stands for an alert's acknowledgement; somebody made it in Alertmanager unless
-- it was `made_here`.
CREATE TABLE ledger.alert_silences (
    alert_id uuid PRIMARY KEY,
    silence_id text NOT NULL,
    ends_at timestamptz NOT NULL,
    made_here boolean NOT NULL
);

-- Up to which transition the console was told.
CREATE TABLE ledger.console_mark (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    number bigint NOT NULL
);

-- When the dispatcher sent what was told last; NULL for alerts that come from elsewhere.
ALTER TABLE shared.alert_history ADD COLUMN sent_at timestamptz;

-- People are told of a severity once, and once of its end.
CREATE UNIQUE INDEX billing_alert_transitions_notified
ON shared.billing_alert_transitions (alert_id, severity, note) WHERE transition = 'notified';
