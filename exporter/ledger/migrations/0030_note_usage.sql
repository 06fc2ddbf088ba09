-- Each group notes which hours it brought usage of, so that a pass for anomalies can look at those
-- and at no others.

-- The hours of meters that groups brought usage of and that are still to be judged: a row a group.
CREATE TABLE ledger.unjudged_usage (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_ids text[] NOT NULL,
    meters text[] NOT NULL,
    hours timestamptz[] NOT NULL,
    hours_noted integer NOT NULL
);

-- Add what was `used` by meters of which nothing else changes with it, each under the lock of its own
-- row; the others' are returned, for `ledger.settle_usage`. All are noted, to be judged.
CREATE OR REPLACE FUNCTION ledger.add_usage(at timestamptz, used ledger.hour_usage[])
RETURNS ledger.hour_usage[] LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
    others ledger.hour_usage[];
BEGIN
    INSERT INTO ledger.unjudged_usage (organization_ids, meters, hours, hours_noted)
    SELECT array_agg(n.organization_id), array_agg(n.meter), array_agg(n.hour), count(*)
    FROM unnest(add_usage.used) AS n;
    WITH more AS MATERIALIZED (
        SELECT n.organization_id, n.meter, sum(n.quantity) AS quantity, min(n.hour) AS first_hour,
            max(n.hour) AS last_hour, max(n.last_at) AS last_at
        FROM unnest(add_usage.used) AS n GROUP BY 1, 2 ORDER BY 1, 2
    ),
    added AS (
        UPDATE shared.usage AS u SET
            used = u.used + n.quantity, last_used_at = greatest(u.last_used_at, n.last_at)
        FROM more AS n
        WHERE u.organization_id = n.organization_id AND u.meter = n.meter
            AND n.first_hour >= u.period_start AND n.last_hour < u.period_end
            AND at < u.period_end AND u.used + n.quantity < u.next_units
        RETURNING u.organization_id, u.meter
    )
    SELECT array_agg(n) INTO others FROM unnest(add_usage.used) AS n
    WHERE (n.organization_id, n.meter) NOT IN (SELECT organization_id, meter FROM added);
    RETURN others;
END
$$;

-- What was used lately has no notes yet.
INSERT INTO ledger.unjudged_usage (organization_ids, meters, hours, hours_noted)
SELECT array_agg(h.organization_id), array_agg(h.meter), array_agg(h.hour), count(*)
FROM (
    SELECT l.*, (row_number() OVER (ORDER BY l.organization_id, l.meter)) / 1000 AS batch
    FROM shared.api_usage_logs AS l
    WHERE l.hour AT TIME ZONE 'UTC' >= date_trunc('hour', now() AT TIME ZONE 'UTC' - interval '1 hour')
) AS h
GROUP BY h.batch;

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
