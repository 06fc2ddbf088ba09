-- name: read_acknowledgements
-- Each alert that Alertmanager is told of by itself, and whatever has a silence.
SELECT
    coalesce(d.alert_id, s.alert_id)::text AS alert_id, d.type, d.organization_id, d.meter,
    d.severity AS label, d.starts_at, a.acknowledged_by, a.acknowledged_until, a.note,
    a.acknowledged_at IS NOT NULL AND coalesce(a.acknowledged_until > clock_timestamp(), true)
    AS is_acknowledged,
    s.silence_id, s.ends_at, coalesce(s.made_here, false) AS made_here,
    -- What else changes an alert, as one more failed payment, is no transition.
    coalesce(a.acknowledged_at, (
        SELECT max(t.at) FROM shared.billing_alert_transitions AS t
        WHERE t.alert_id = a.id AND t.transition IN ('raised', 'escalated', 'unacknowledged')
    )) AS changed_at,
    clock_timestamp() AS now
FROM (
    ledger.dispatched_alerts AS d
    JOIN shared.billing_alerts AS a
        ON a.id = d.alert_id AND a.resolved_at IS NULL AND d.ended_at IS NULL
)
FULL JOIN ledger.alert_silences AS s ON s.alert_id = d.alert_id
ORDER BY 1;

-- name: find_left_over
-- A silence that was made well after its alert had ended is somebody's own, whatever it says.
SELECT a.id::text
FROM unnest(%(alerts)s::uuid[], %(starts)s::timestamptz[]) AS s (alert_id, starts_at)
JOIN shared.billing_alerts AS a ON a.id = s.alert_id
WHERE a.resolved_at > s.starts_at - interval '1 min';

-- name: link_silence
INSERT INTO ledger.alert_silences AS s (alert_id, silence_id, ends_at, made_here)
VALUES (%(alert_id)s, %(silence_id)s, %(ends_at)s, %(made_here)s)
ON CONFLICT (alert_id) DO UPDATE SET
    silence_id = excluded.silence_id, ends_at = excluded.ends_at, made_here = excluded.made_here;

-- name: unlink_silence
DELETE FROM ledger.alert_silences WHERE alert_id = %(alert_id)s;

-- name: acknowledge
SELECT ledger.acknowledge_alert(
    clock_timestamp(), %(alert_id)s::uuid, %(actor)s, %(note)s, %(until)s::timestamptz
);

-- name: unacknowledge
SELECT ledger.unacknowledge_alert(clock_timestamp(), %(alert_id)s::uuid, %(actor)s, %(note)s);

-- name: expire_acknowledgements
SELECT ledger.expire_acknowledgements(clock_timestamp(), %(most)s);
