-- Organisations that turn out to be the same, and what they have subscribed to.

-- Everything of one organisation becomes another's, as it turned out to be the same. Both are
-- locked. Its alerts end: whether they hold is judged by what both used and paid.
CREATE FUNCTION ledger.move_organization(at timestamptz, old_id text, new_id text) RETURNS void
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
    ),
    -- They are judged by the weeks of both.
    noted AS (
        INSERT INTO ledger.unjudged_usage (organization_ids, meters, hours, hours_noted)
        SELECT array_agg(new_id), array_agg(t.meter), array_agg(t.hour), count(*)
        FROM (
            SELECT meter, hour FROM taken WHERE hour > at - interval '24 hours'
            UNION SELECT meter, date_trunc('hour', at, 'UTC') FROM taken
        ) AS t
        HAVING count(*) > 0
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
    DELETE FROM shared.usage_baselines
    WHERE organization_id = old_id OR organization_id = new_id AND meter = ANY (meters)
        AND (closed OR hour >= date_trunc('hour', at, 'UTC'));
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

-- What these (locked) organisations have subscribed to: the newest live subscription, else what the
-- app said last. A period that this changes is settled, and so is a quota.
CREATE FUNCTION ledger.settle_plans(at timestamptz, organizations text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed text[];
BEGIN
    WITH wanted AS (
        SELECT o.organization_id, coalesce(s.plan, o.app_plan) AS plan,
            s.period_start AS anchor_start, s.period_end AS anchor_end
        FROM shared.organizations AS o
        LEFT JOIN LATERAL (
            SELECT s.plan, s.period_start, s.period_end FROM shared.subscriptions AS s
            WHERE s.organization_id = o.organization_id AND NOT s.terminal
                AND s.status NOT IN ('incomplete', 'paused')
            ORDER BY s.livemode DESC, s.period_start DESC NULLS LAST,
                s.created_seconds DESC, s.subscription_id COLLATE "C" DESC
            LIMIT 1
        ) AS s ON true
        WHERE o.organization_id = ANY (organizations)
    ),
    kept AS (
        UPDATE shared.organizations AS o SET
            plan = w.plan, anchor_start = w.anchor_start, anchor_end = w.anchor_end,
            (period_start, period_end) = (
                SELECT p.period_start, p.period_end
                FROM ledger.period_at(w.anchor_start, w.anchor_end, CASE
                    -- The clock may step back: a period that began stays.
                    WHEN (w.anchor_start, w.anchor_end)
                        IS NOT DISTINCT FROM (o.anchor_start, o.anchor_end)
                    THEN greatest(at, o.period_start) ELSE at
                END) AS p
            )
        FROM wanted AS w
        WHERE o.organization_id = w.organization_id
            AND (o.plan, o.anchor_start, o.anchor_end)
                IS DISTINCT FROM (w.plan, w.anchor_start, w.anchor_end)
        RETURNING o.organization_id
    )
    SELECT array_agg(organization_id) INTO changed FROM kept;
    IF changed IS NOT NULL THEN
        PERFORM ledger.settle_usage(at, ledger.known_meters(changed));
    END IF;
END
$$;
