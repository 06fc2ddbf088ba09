-- Which runs of Alertmanagers were told that an alert fires: one that was restarted tells nobody of
-- the end of what it doesn't know. Of alerts that were told before this nothing is known. What
-- begins anew is a row of its own, as the end of what was before may still have to be told.
ALTER TABLE ledger.dispatched_alerts
    ADD number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD tried text[] NOT NULL DEFAULT '{}',
    ADD lives text[] NOT NULL DEFAULT '{}',
    ADD held_until timestamptz,
    ADD end_told_at timestamptz,
    DROP CONSTRAINT dispatched_alerts_type_alert_id_severity_key,
    ADD UNIQUE NULLS NOT DISTINCT (type, alert_id, severity, starts_at);
