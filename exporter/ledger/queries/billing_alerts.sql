-- name: list_alerts
-- The newest first; `before_…` is the last one of the page before.
SELECT
    a.id,
    a.type,
    a.severity,
    a.title,
    a.message,
    a.data,
    a.action_required,
    a.organization_id,
    a.meter,
    a.period_start,
    a.created_at,
    a.updated_at,
    s.status,
    k.*,
    a.resolved_at,
    a.resolved_by,
    a.resolution
FROM shared.billing_alerts AS a,
    LATERAL (
        SELECT
            CASE
                WHEN a.resolved_at IS NOT NULL THEN 'resolved'
                WHEN a.acknowledged_at IS NULL OR a.acknowledged_until <= now() THEN 'open'
                ELSE 'acknowledged'
            END AS status
    ) AS s
LEFT JOIN LATERAL (
    SELECT a.acknowledged_at, a.acknowledged_by, a.acknowledged_until, a.note
    WHERE s.status <> 'open'
) AS k ON true
WHERE (%(organization_id)s::text IS NULL OR a.organization_id = %(organization_id)s)
    AND (%(id)s::uuid IS NULL OR a.id = %(id)s)
    AND (%(type)s::text IS NULL OR a.type = %(type)s)
    AND (%(severity)s::text IS NULL OR a.severity = %(severity)s)
    AND (%(meter)s::text IS NULL OR a.meter = %(meter)s)
    AND (%(is_resolved)s::boolean IS NULL OR (a.resolved_at IS NOT NULL) = %(is_resolved)s)
    AND (%(status)s::text IS NULL OR s.status = %(status)s)
    AND (%(since)s::timestamptz IS NULL OR a.created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR a.created_at < %(until)s)
    AND (
        %(before_id)s::uuid IS NULL
        OR (a.created_at, a.id) < (%(before_created_at)s::timestamptz, %(before_id)s)
    )
ORDER BY a.created_at DESC, a.id DESC
LIMIT %(limit)s;

-- name: read_transitions
SELECT t.number, t.at, t.transition, t.severity, t.actor, t.note
FROM shared.billing_alert_transitions AS t
WHERE t.alert_id = %(id)s
ORDER BY t.number;

-- name: read_news
-- What happened after a number, the oldest first. Numbers are given before transactions end, so a
-- lower one may appear later.
SELECT t.number, t.at, t.transition, t.alert_id
FROM shared.billing_alert_transitions AS t
WHERE t.number > %(number)s
ORDER BY t.number
LIMIT %(limit)s;

-- name: read_settled_number
-- Below which every transition is there, or will never be.
SELECT coalesce(max(t.number), 0) AS number FROM shared.billing_alert_transitions AS t
WHERE t.at < now() - %(within_seconds)s::float8 * interval '1 s';

-- name: acknowledge
SELECT ledger.acknowledge_alert(
    clock_timestamp(), %(id)s::uuid, %(actor)s, %(note)s, %(until)s::timestamptz, %(take_over)s
);

-- name: unacknowledge
SELECT ledger.unacknowledge_alert(clock_timestamp(), %(id)s::uuid, %(actor)s, %(note)s);

-- name: resolve
SELECT ledger.resolve_alert(clock_timestamp(), %(id)s::uuid, %(actor)s, %(reason)s);
