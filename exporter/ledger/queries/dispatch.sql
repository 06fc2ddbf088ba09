-- name: read_mark
SELECT
    coalesce((SELECT max(number) FROM shared.billing_alert_transitions), 0), clock_timestamp();

-- name: begin_snapshot
-- What is counted is what is told.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;

-- name: count_open
-- From the index alone; what a severity is called is asked once for each.
SELECT type, ledger.severity_label(severity) AS severity, sum(open)::bigint AS open
FROM (
    SELECT type, severity, count(*) AS open FROM shared.billing_alerts
    WHERE resolved_at IS NULL
    GROUP BY type, severity
) AS counted
GROUP BY 1, 2;

-- name: read_summarised
SELECT type FROM ledger.dispatched_alerts WHERE alert_id IS NULL AND ended_at IS NULL;

-- name: begin_alerts
-- Of a type that is summarised, those alone that were told of before.
WITH wanted AS (
    SELECT id FROM shared.billing_alerts
    WHERE resolved_at IS NULL AND type = ANY (%(single_types)s)
    UNION
    SELECT alert_id FROM ledger.dispatched_alerts
    WHERE ended_at IS NULL AND alert_id IS NOT NULL
)
INSERT INTO ledger.dispatched_alerts AS d (
    type, alert_id, organization_id, meter, severity, starts_at
)
SELECT
    a.type, a.id, a.organization_id, a.meter, l.severity,
    -- A clock that is ahead must not put an alert's start behind its end.
    least(%(now)s, coalesce(
        (
            SELECT max(t.at) FROM shared.billing_alert_transitions AS t
            WHERE t.alert_id = a.id AND t.transition IN ('escalated', 'eased')
        ),
        a.created_at
    ))
FROM wanted JOIN shared.billing_alerts AS a USING (id)
CROSS JOIN LATERAL (SELECT ledger.severity_label(a.severity) AS severity) AS l
WHERE a.resolved_at IS NULL AND NOT EXISTS (
    SELECT FROM ledger.dispatched_alerts AS o
    WHERE o.alert_id = a.id AND o.severity = l.severity AND o.ended_at IS NULL
)
ON CONFLICT (type, alert_id, severity, starts_at) DO UPDATE SET
    ended_at = NULL, held_until = NULL, end_told_at = NULL;

-- name: begin_summaries
INSERT INTO ledger.dispatched_alerts (type, severity, starts_at)
SELECT s.type, s.severity, %(now)s
FROM unnest(%(types)s::text[], %(severities)s::text[]) AS s (type, severity)
WHERE NOT EXISTS (
    SELECT FROM ledger.dispatched_alerts AS o
    WHERE o.alert_id IS NULL AND o.ended_at IS NULL
        AND o.type = s.type AND o.severity = s.severity
);

-- name: end_alerts
UPDATE ledger.dispatched_alerts AS d SET
    ended_at = greatest(d.starts_at, least(%(now)s, coalesce(
        a.resolved_at,
        (
            SELECT max(t.at) FROM shared.billing_alert_transitions AS t
            WHERE t.alert_id = a.id AND t.transition IN ('escalated', 'eased')
        ),
        %(now)s
    )))
FROM shared.billing_alerts AS a
WHERE a.id = d.alert_id AND d.ended_at IS NULL
    AND (a.resolved_at IS NOT NULL OR d.severity <> ledger.severity_label(a.severity));

-- name: end_summaries
UPDATE ledger.dispatched_alerts AS d SET ended_at = %(now)s
WHERE d.alert_id IS NULL AND d.ended_at IS NULL AND (d.type, d.severity) NOT IN (
    SELECT type, severity FROM unnest(%(types)s::text[], %(severities)s::text[])
        AS s (type, severity)
);

-- name: note_tried
-- Before they are told: whoever dies then, somebody may know it.
UPDATE ledger.dispatched_alerts AS d SET
    tried = ARRAY(SELECT unnest(d.tried) UNION SELECT unnest(%(ready)s::text[]))
WHERE d.number = ANY (%(firing)s) AND NOT d.tried @> %(ready)s::text[];

-- name: note_firing
-- If nobody is left who surely was told before, but somebody may have been, it fires for long enough
-- that people are told.
UPDATE ledger.dispatched_alerts AS d SET
    lives = d.lives || %(life)s::text,
    held_until = CASE
        WHEN NOT d.lives && %(lives)s::text[]
            AND (d.ended_at IS NOT NULL OR NOT d.tried <@ %(lives)s::text[])
        THEN %(now)s + %(held_seconds)s * interval '1 s'
        ELSE d.held_until
    END
WHERE d.number = ANY (%(firing)s) AND NOT d.lives @> ARRAY[%(life)s::text];

-- name: note_ended
-- The end means something to those alone that were told of the start.
UPDATE ledger.dispatched_alerts AS d SET end_told_at = %(now)s
WHERE d.number = ANY (%(ended)s) AND d.end_told_at IS NULL AND d.lives @> ARRAY[%(life)s::text];

-- name: read_told
-- Few of many alerts: each is looked up by itself, whatever is known of the tables' sizes.
SELECT
    d.number, d.type, d.alert_id::text AS alert_id, d.organization_id, d.meter, d.severity AS label,
    d.starts_at, d.ended_at,
    -- It has ended, and nobody is left who surely was told of its start: those that are must be
    -- told of it before they can tell people of its end, unless that was told long ago.
    d.ended_at IS NOT NULL AND (
        coalesce(d.held_until > %(now)s, false)
        OR %(lives)s::text[] <> '{}' AND d.tried <> '{}' AND NOT d.lives && %(lives)s::text[]
            AND coalesce(
                d.end_told_at > %(now)s - %(repeated_seconds)s * interval '1 s', true
            )
    ) AS is_held,
    s.severity, a.title, a.message, a.data, a.action_required,
    ledger.severity_label(a.severity) AS label_now, a.resolution
FROM ledger.dispatched_alerts AS d
LEFT JOIN LATERAL (
    SELECT * FROM shared.billing_alerts AS b WHERE b.id = d.alert_id LIMIT 1
) AS a ON true
LEFT JOIN LATERAL (
    -- What it was when it had this label.
    SELECT t.severity FROM shared.billing_alert_transitions AS t
    WHERE t.alert_id = d.alert_id AND t.transition <> 'notified'
        AND ledger.severity_label(t.severity) = d.severity
    ORDER BY t.number DESC LIMIT 1
) AS s ON true
ORDER BY d.type, d.starts_at, d.alert_id;

-- name: read_some
SELECT organization_id FROM shared.billing_alerts
WHERE resolved_at IS NULL AND type = %(type)s LIMIT %(rows)s;

-- name: forget_ended
-- What was told for long enough, or was over before anybody was told of it.
DELETE FROM ledger.dispatched_alerts
WHERE ended_at < %(now)s - %(longest_seconds)s * interval '1 s'
    OR ended_at IS NOT NULL
        AND CASE WHEN tried = '{}' THEN ended_at ELSE end_told_at END
            < %(now)s - %(repeated_seconds)s * interval '1 s'
        AND coalesce(held_until < %(now)s - %(held_seconds)s * interval '1 s', true);

-- name: write_open_gauges
WITH counted AS (
    SELECT
        jsonb_build_object('type', type, 'severity', severity) AS labels, open AS value
    FROM unnest(%(types)s::text[], %(severities)s::text[], %(counts)s::bigint[])
        AS c (type, severity, open)
),
gone AS (
    DELETE FROM ledger.gauges
    WHERE metric = %(metric)s AND labels NOT IN (SELECT labels FROM counted)
)
INSERT INTO ledger.gauges AS g (metric, labels, value)
SELECT %(metric)s, labels, value FROM counted
ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, written_at = now();

-- name: read_console_mark
INSERT INTO ledger.console_mark AS m (number)
SELECT coalesce(max(number), 0) FROM shared.billing_alert_transitions
ON CONFLICT (single) DO UPDATE SET number = m.number
RETURNING number;

-- name: read_transitions
SELECT
    t.number, t.transition, t.severity, t.actor, t.note, a.type, a.title, a.organization_id
FROM shared.billing_alert_transitions AS t JOIN shared.billing_alerts AS a ON a.id = t.alert_id
WHERE (t.number > %(mark)s OR t.number = ANY (%(missing)s)) AND t.transition <> 'notified'
ORDER BY t.number LIMIT %(rows)s;

-- name: move_console_mark
UPDATE ledger.console_mark SET number = greatest(number, %(mark)s);
