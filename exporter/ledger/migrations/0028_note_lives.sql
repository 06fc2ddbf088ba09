-- Which runs of Alertmanagers were told that an alert fires: one that was restarted tells nobody of
-- the end of what it doesn't know. Of alerts that were told before this nothing is known.
ALTER TABLE ledger.dispatched_alerts
    ADD lives text[] NOT NULL DEFAULT '{}',
    ADD held_since timestamptz,
    ADD held_until timestamptz;
