-- name: store_alerts
-- Alerts that are there already change only by an end that is later than what is known. Rows are
-- taken in one order, so that two messages about the same alerts can't block each other.
INSERT INTO shared.alert_history AS h (
    fingerprint, starts_at, ends_at, labels, annotations, generator_url, receivers
)
SELECT
    fingerprint, starts_at, ends_at, labels, annotations, generator_url, ARRAY[%(receiver)s::text]
FROM jsonb_to_recordset(%(alerts)s::jsonb) AS n (
    fingerprint text, starts_at timestamptz, ends_at timestamptz, labels jsonb, annotations jsonb,
    generator_url text
)
ORDER BY fingerprint, starts_at
ON CONFLICT (fingerprint, starts_at) DO UPDATE SET
    ends_at = excluded.ends_at,
    annotations = excluded.annotations
WHERE excluded.ends_at > coalesce(h.ends_at, '-infinity')
RETURNING fingerprint, starts_at;

-- name: note_message
UPDATE shared.alert_history AS h SET
    last_received_at = greatest(h.last_received_at, now()),
    receivers = CASE
        WHEN %(receiver)s::text = ANY (h.receivers) THEN h.receivers
        ELSE h.receivers || %(receiver)s::text
    END
FROM jsonb_to_recordset(%(alerts)s::jsonb) AS n (fingerprint text, starts_at timestamptz)
WHERE (h.fingerprint, h.starts_at) = (n.fingerprint, n.starts_at);
