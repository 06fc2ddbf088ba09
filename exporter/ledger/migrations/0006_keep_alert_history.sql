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
