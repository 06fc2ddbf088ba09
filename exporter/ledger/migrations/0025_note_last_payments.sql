-- When somebody paid last, and when a payment failed last: most payments touch nothing else, where
-- each locked its organisation before.

CREATE TABLE shared.last_payments (
    organization_id text PRIMARY KEY,
    paid_at timestamptz NOT NULL,
    failed_at timestamptz NOT NULL
) WITH (fillfactor = 80);
INSERT INTO shared.last_payments (organization_id, paid_at, failed_at)
SELECT o.organization_id, o.paid_at, '-infinity' FROM shared.organizations AS o
WHERE o.paid_at > '-infinity';
INSERT INTO shared.last_payments AS l (organization_id, paid_at, failed_at)
SELECT a.organization_id, '-infinity', max((a.data ->> 'failed_at')::timestamptz)
FROM shared.billing_alerts AS a WHERE a.type = 'payment_failed'
GROUP BY a.organization_id
ON CONFLICT (organization_id) DO UPDATE SET failed_at = excluded.failed_at;

-- A failed payment asks for action until a later one succeeds, whatever the order of arrival.
CREATE OR REPLACE FUNCTION ledger.apply_payments(at timestamptz, told ledger.payment[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    failing text[];
BEGIN
    WITH kept AS (
        INSERT INTO shared.last_payments AS l (organization_id, paid_at, failed_at)
        SELECT p.organization_id,
            coalesce(max(p.told_at) FILTER (WHERE NOT p.failed), '-infinity'),
            coalesce(max(p.told_at) FILTER (WHERE p.failed), '-infinity')
        FROM unnest(told) AS p GROUP BY p.organization_id ORDER BY p.organization_id
        ON CONFLICT (organization_id) DO UPDATE SET
            paid_at = greatest(l.paid_at, excluded.paid_at),
            failed_at = greatest(l.failed_at, excluded.failed_at)
        RETURNING l.organization_id, l.failed_at
    )
    SELECT array_agg(k.organization_id) INTO failing FROM kept AS k WHERE k.failed_at > '-infinity';
    IF failing IS NULL THEN
        RETURN;
    END IF;
    IF true = ANY (SELECT p.failed FROM unnest(told) AS p) THEN
        INSERT INTO shared.billing_alerts AS a (
            organization_id, type, severity, title, message, data, action_required,
            created_at, updated_at
        )
        SELECT p.organization_id, 'payment_failed', 'critical', 'Payment failed',
            format('A payment%s failed. Please update the payment method.',
                ' of ' || ledger.money_text(p.amount_minor, p.currency, p.decimals)),
            jsonb_build_object(
                'failed_at', p.told_at, 'amount_minor', p.amount_minor, 'currency', p.currency,
                'decimals', p.decimals
            ),
            true, at, at
        FROM unnest(told) AS p JOIN shared.last_payments AS l USING (organization_id)
        WHERE p.failed AND p.told_at > l.paid_at
        ON CONFLICT (organization_id, type, meter, period_start) WHERE resolved_at IS NULL
        DO UPDATE SET message = excluded.message, data = excluded.data, updated_at = at
        WHERE (excluded.data ->> 'failed_at')::timestamptz > (a.data ->> 'failed_at')::timestamptz;
    END IF;
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = 'exporter',
        resolution = 'A later payment succeeded.'
    FROM unnest(failing) AS f (organization_id)
    JOIN shared.last_payments AS l USING (organization_id)
    WHERE a.organization_id = f.organization_id AND a.type = 'payment_failed'
        AND a.resolved_at IS NULL AND (a.data ->> 'failed_at')::timestamptz <= l.paid_at;
END
$$;

-- Everything of one organisation becomes another's, as it turned out to be the same. Both are
-- locked. Its alerts end: whether they hold is judged by what both used and paid.
CREATE OR REPLACE FUNCTION ledger.move_organization(at timestamptz, old_id text, new_id text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    meters text[];
    payments jsonb;
BEGIN
    WITH taken AS (
        DELETE FROM shared.api_usage_logs WHERE organization_id = old_id
        RETURNING meter, hour, quantity, events, created_at
    ),
    added AS (
        INSERT INTO shared.api_usage_logs AS h (
            organization_id, meter, hour, quantity, events, created_at
        )
        SELECT new_id, meter, hour, quantity, events, created_at FROM taken ORDER BY meter, hour
        ON CONFLICT (organization_id, meter, hour) DO UPDATE SET
            quantity = h.quantity + excluded.quantity, events = h.events + excluded.events
    )
    SELECT array_agg(DISTINCT meter) INTO meters FROM taken;
    SELECT jsonb_agg(p.payment || jsonb_build_object('organization_id', new_id)) INTO payments
    FROM (
        SELECT a.data || jsonb_build_object(
            'failed', true, 'at', extract(epoch FROM (a.data ->> 'failed_at')::timestamptz)
        ) AS payment
        FROM shared.billing_alerts AS a
        WHERE a.organization_id = old_id AND a.type = 'payment_failed' AND a.resolved_at IS NULL
        UNION ALL
        SELECT jsonb_build_object('failed', false, 'at', extract(epoch FROM l.paid_at))
        FROM shared.last_payments AS l
        WHERE l.organization_id = old_id AND l.paid_at > '-infinity'
    ) AS p;
    DELETE FROM shared.last_payments WHERE organization_id = old_id;
    UPDATE shared.billing_alerts SET
        resolved_at = at, updated_at = at, resolved_by = 'exporter',
        resolution = format('The customer was found to belong to %s.', new_id)
    WHERE organization_id = old_id AND resolved_at IS NULL;
    UPDATE shared.billing_alerts SET organization_id = new_id WHERE organization_id = old_id;
    INSERT INTO shared.quota_overrides (organization_id, meter, quota, set_by, set_at)
    SELECT new_id, meter, quota, set_by, set_at FROM shared.quota_overrides
    WHERE organization_id = old_id
    ON CONFLICT DO NOTHING;
    DELETE FROM shared.quota_overrides WHERE organization_id = old_id;
    PERFORM ledger.apply_credits(at, jsonb_agg(jsonb_build_object(
        'organization_id', new_id, 'credits', c.credits
    ))) FROM shared.credit_balances AS c WHERE c.organization_id = old_id;
    DELETE FROM shared.credit_balances WHERE organization_id = old_id;
    -- What the app said last of the plan holds, whichever of the two it named.
    UPDATE shared.organizations AS o SET
        app_plan = f.app_plan, app_plan_at = f.app_plan_at, app_plan_event = f.app_plan_event
    FROM shared.organizations AS f
    WHERE o.organization_id = new_id AND f.organization_id = old_id
        AND (f.app_plan_at, f.app_plan_event COLLATE "C")
            > (o.app_plan_at, o.app_plan_event COLLATE "C");
    DELETE FROM shared.organizations WHERE organization_id = old_id;
    -- Figures of the new one that hold the moved hours are summed anew.
    DELETE FROM shared.usage WHERE organization_id = old_id;
    DELETE FROM shared.usage_baselines WHERE organization_id = old_id;
    UPDATE shared.usage SET period_end = period_start
    WHERE organization_id = new_id AND meter = ANY (meters);
    UPDATE shared.subscriptions SET organization_id = new_id WHERE organization_id = old_id;
    PERFORM ledger.settle_plans(at, ARRAY[new_id]);
    PERFORM ledger.settle_usage(at, ledger.known_meters(ARRAY[new_id]) || ARRAY(
        SELECT ROW(new_id, meter, NULL, 0, 0, NULL)::ledger.hour_usage FROM unnest(meters) AS meter
    ));
    IF payments IS NOT NULL THEN
        PERFORM ledger.apply_payments(at, ARRAY(
            SELECT ROW(
                p.organization_id, p.failed, to_timestamp(p.at), p.amount_minor, p.currency,
                p.decimals
            )::ledger.payment
            FROM jsonb_to_recordset(payments) AS p (
                organization_id text, failed boolean, at float8, amount_minor bigint,
                currency text, decimals smallint
            )
        ));
    END IF;
END
$$;

-- The open alerts that have outlived their cause: about usage of a period that is over, or whose
-- threshold isn't passed (any more); a failed payment with a later one that succeeded; and, about
-- no period, whatever nothing changed for 30 days.
CREATE OR REPLACE FUNCTION ledger.stale_alerts(
    at timestamptz, OUT alert_id uuid, OUT organization_id text, OUT reason text
) RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT j.id, j.organization_id, j.reason
    FROM (
        SELECT a.id, a.organization_id, CASE
            WHEN a.period_start < o.period_start
                OR (a.period_start = o.period_start AND o.period_end <= at)
            THEN 'Its period is over.'
            WHEN (a.type = 'usage_threshold' AND u.level = 0)
                OR (a.type = 'overage_detected' AND u.level < 3)
                OR (a.type = 'usage_limit' AND u.passed = 0)
            THEN 'Usage is below the threshold.'
            WHEN a.type = 'payment_failed' AND (a.data ->> 'failed_at')::timestamptz <= l.paid_at
            THEN 'A later payment succeeded.'
            WHEN a.period_start IS NULL AND a.updated_at <= at - interval '720 hours'
            THEN 'Nothing was heard of it for 30 days.'
        END AS reason
        FROM shared.billing_alerts AS a
        LEFT JOIN shared.organizations AS o USING (organization_id)
        LEFT JOIN shared.last_payments AS l USING (organization_id)
        LEFT JOIN shared.usage AS u ON u.organization_id = a.organization_id
            AND u.meter = a.meter AND u.period_start = a.period_start
        WHERE a.resolved_at IS NULL
    ) AS j
    WHERE j.reason IS NOT NULL;
END;

-- Resolve them in `actor`'s name; how many there were.
CREATE OR REPLACE FUNCTION ledger.resolve_stale_alerts(at timestamptz, actor text) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    resolved integer;
BEGIN
    PERFORM FROM shared.organizations AS o
    WHERE o.organization_id IN (SELECT s.organization_id FROM ledger.stale_alerts(at) AS s)
    ORDER BY o.organization_id FOR NO KEY UPDATE;
    PERFORM FROM shared.billing_alerts AS a
    WHERE a.id IN (SELECT s.alert_id FROM ledger.stale_alerts(at) AS s)
    ORDER BY a.organization_id, a.id FOR NO KEY UPDATE;
    -- Looked at again, as another may have changed them before they were locked.
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = actor, resolution = s.reason
    FROM ledger.stale_alerts(at) AS s WHERE a.id = s.alert_id AND a.resolved_at IS NULL;
    GET DIAGNOSTICS resolved = ROW_COUNT;
    RETURN resolved;
END
$$;

ALTER TABLE shared.organizations DROP COLUMN paid_at;
