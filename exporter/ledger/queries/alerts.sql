-- name: store_alerts
-- Alerts that are there already change only by an end that is later than what is known, or where
-- it is known when they were sent, by what was sent later. Rows are taken in one order, so that two
-- messages about the same alerts can't block each other.
INSERT INTO shared.alert_history AS h (
    fingerprint, starts_at, ends_at, labels, annotations, generator_url, receivers, sent_at
)
SELECT
    fingerprint, starts_at, ends_at, labels, annotations, generator_url, ARRAY[%(receiver)s::text],
    sent_at
FROM jsonb_to_recordset(%(alerts)s::jsonb) AS n (
    fingerprint text, starts_at timestamptz, ends_at timestamptz, labels jsonb, annotations jsonb,
    generator_url text, sent_at timestamptz
)
ORDER BY fingerprint, starts_at
ON CONFLICT (fingerprint, starts_at) DO UPDATE SET
    ends_at = excluded.ends_at,
    annotations = excluded.annotations,
    sent_at = excluded.sent_at
WHERE CASE
    WHEN excluded.sent_at <> h.sent_at
    THEN excluded.sent_at > h.sent_at
        AND (excluded.ends_at IS NOT NULL OR h.ends_at IS NOT NULL)
    ELSE excluded.ends_at > coalesce(h.ends_at, '-infinity')
END
RETURNING fingerprint, starts_at;

-- name: note_message
UPDATE shared.alert_history AS h SET
    last_received_at = greatest(h.last_received_at, now()),
    -- That it was sent again is no news, but holds against an end from before.
    sent_at = CASE
        WHEN h.ends_at IS NULL AND n.ends_at IS NULL THEN greatest(h.sent_at, n.sent_at)
        ELSE h.sent_at
    END,
    receivers = CASE
        WHEN %(receiver)s::text = ANY (h.receivers) THEN h.receivers
        ELSE h.receivers || %(receiver)s::text
    END
FROM jsonb_to_recordset(%(alerts)s::jsonb) AS n (
    fingerprint text, starts_at timestamptz, ends_at timestamptz, sent_at timestamptz
)
WHERE (h.fingerprint, h.starts_at) = (n.fingerprint, n.starts_at);

-- name: note_notified
-- Once for each severity, and once for its end; alerts that aren't ours are left alone.
INSERT INTO shared.billing_alert_transitions (alert_id, at, transition, severity, actor, note)
SELECT a.id, clock_timestamp(), 'notified', n.severity, 'alertmanager', n.state
FROM (
    SELECT DISTINCT alert_id, severity, state
    FROM jsonb_to_recordset(%(told)s::jsonb) AS r (alert_id uuid, severity text, state text)
) AS n
JOIN LATERAL (
    SELECT b.id FROM shared.billing_alerts AS b WHERE b.id = n.alert_id FOR KEY SHARE
) AS a ON true
ORDER BY a.id
ON CONFLICT DO NOTHING;
