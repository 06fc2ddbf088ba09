-- A group's use is added where it changes nothing else, and settled where it does.

-- Bring the current figures of what was `used` by (locked) organisations up to date: what fell into
-- the current period is added, and a period that is new is summed from its hours.
CREATE OR REPLACE FUNCTION ledger.settle_usage(at timestamptz, used ledger.hour_usage[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
    crossed shared.usage[];
BEGIN
    -- `ledger.add_usage` needs no organisation's lock.
    PERFORM FROM unnest(settle_usage.used) AS n JOIN shared.usage AS u USING (organization_id, meter)
    ORDER BY u.organization_id, u.meter FOR NO KEY UPDATE OF u;
    WITH more AS MATERIALIZED (
        SELECT n.organization_id, n.meter, o.period_start, o.period_end,
            coalesce(o.plan, s.default_plan) AS plan, max(n.last_at) AS last_at,
            sum(n.quantity) FILTER (WHERE n.hour >= o.period_start AND n.hour < o.period_end)
            AS quantity
        FROM unnest(used) AS n
        JOIN shared.organizations AS o USING (organization_id)
        CROSS JOIN shared.billing_settings AS s
        GROUP BY n.organization_id, n.meter, o.organization_id, s.default_plan
    ),
    settled AS MATERIALIZED (
        SELECT n.organization_id, n.meter, n.period_start, n.period_end,
            CASE WHEN u.period_start = n.period_start AND u.period_end = n.period_end
            THEN u.used + coalesce(n.quantity, 0)
            ELSE (
                SELECT coalesce(sum(h.quantity), 0) FROM shared.api_usage_logs AS h
                WHERE h.organization_id = n.organization_id AND h.meter = n.meter
                    AND h.hour >= n.period_start AND h.hour < n.period_end
            ) END::bigint AS used,
            CASE WHEN q.organization_id IS NULL THEN m.quota ELSE q.quota END AS quota,
            m.limits, m.currency, m.tier_units, m.tier_prices,
            greatest(u.last_used_at, n.last_at) AS last_used_at
        FROM more AS n
        LEFT JOIN shared.usage AS u USING (organization_id, meter)
        LEFT JOIN shared.quota_overrides AS q USING (organization_id, meter)
        LEFT JOIN shared.plan_meters AS m ON m.plan = n.plan AND m.meter = n.meter
    ),
    kept AS (
        INSERT INTO shared.usage AS u (
            organization_id, meter, period_start, period_end, used, quota, cost_minor, currency,
            level, passed, told_period_start, last_used_at, next_units
        )
        SELECT organization_id, meter, period_start, period_end, used, quota,
            CASE WHEN used > tier_units[1] THEN ledger.usage_cost(used, tier_units, tier_prices)
            ELSE 0 END,
            currency,
            ledger.usage_level(used, quota, s.warning_percent, s.critical_percent),
            CASE WHEN used >= limits[1]
            THEN (SELECT max(l.units) FROM unnest(limits) AS l (units) WHERE l.units <= used)
            ELSE 0 END,
            period_start, last_used_at,
            ledger.next_units(
                used, quota, s.warning_percent, s.critical_percent,
                CASE WHEN used < limits[1] THEN limits[1]
                WHEN used < limits[cardinality(limits)]
                THEN (SELECT min(l.units) FROM unnest(limits) AS l (units) WHERE l.units > used)
                END,
                tier_units[1]
            )
        FROM settled CROSS JOIN shared.billing_settings AS s
        ORDER BY organization_id, meter
        ON CONFLICT (organization_id, meter) DO UPDATE SET
            period_start = excluded.period_start,
            period_end = excluded.period_end,
            used = excluded.used,
            quota = excluded.quota,
            cost_minor = excluded.cost_minor,
            currency = excluded.currency,
            level = excluded.level,
            passed = excluded.passed,
            last_used_at = excluded.last_used_at,
            next_units = excluded.next_units
        RETURNING u AS figures
    )
    SELECT array_agg(k.figures ORDER BY (k.figures).organization_id, (k.figures).meter)
    INTO crossed FROM kept AS k
    WHERE (k.figures).level <> (k.figures).told_level
        OR (k.figures).passed <> (k.figures).told_passed
        OR (k.figures).period_start <> (k.figures).told_period_start;
    IF crossed IS NOT NULL THEN
        PERFORM ledger.tell_crossings(at, crossed);
    END IF;
END
$$;

-- Add what was `used` by meters of which nothing else changes with it, each under the lock of its own
-- row; the others' are returned, for `ledger.settle_usage`.
CREATE OR REPLACE FUNCTION ledger.add_usage(at timestamptz, used ledger.hour_usage[])
RETURNS ledger.hour_usage[] LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
    others ledger.hour_usage[];
BEGIN
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

-- What a group tells of organisations, at this time: `usage` by meter and hour of whoever it names
-- (an organisation, else a customer of a scope), `plans`, `payments` and `credits` of the same,
-- `customers` whose organisation was named, and `subscriptions` that changed.
CREATE OR REPLACE FUNCTION ledger.apply_facts(at timestamptz, facts jsonb) RETURNS void
LANGUAGE plpgsql
-- What is touched is few of many. Plans are kept, and may have been made when tables were empty.
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    found record;
    mapped shared.customers[];
    used ledger.hour_usage[];
    paid ledger.payment[];
    organizations text[];
    changing text[];
    subscribed text[];
BEGIN
    -- Customers are mapped by one at a time, so that whoever looks one up below finds what holds.
    IF facts ? 'customers' AND EXISTS (SELECT FROM ledger.newly_mapped(facts)) THEN
        PERFORM pg_advisory_xact_lock(hashtext('shared.customers'));
        WITH fresh AS (
            INSERT INTO shared.customers SELECT * FROM ledger.newly_mapped(facts) RETURNING *
        )
        SELECT array_agg(c) INTO mapped FROM fresh AS c;
    ELSE
        PERFORM pg_advisory_xact_lock_shared(hashtext('shared.customers'));
    END IF;

    IF facts ? 'usage' THEN
        SELECT array_agg(
            ROW(n.organization_id, n.meter, n.hour, n.quantity, n.events, n.last_at)::ledger.hour_usage
            ORDER BY n.organization_id, n.meter, n.hour
        ), array_agg(n.organization_id) FILTER (WHERE (
            at < u.period_end AND n.hour >= u.period_start AND n.hour < u.period_end
            AND u.used + n.quantity < u.next_units
        ) IS NOT TRUE)
        INTO used, changing
        FROM (
            SELECT coalesce(n.organization_id, c.organization_id, n.customer_id) AS organization_id,
                n.meter, to_timestamp(n.hour) AS hour, sum(n.quantity)::bigint AS quantity,
                sum(n.events)::bigint AS events, to_timestamp(max(n.last_at)) AS last_at
            FROM jsonb_to_recordset(facts -> 'usage') AS n (
                organization_id text, scope text, customer_id text, meter text, hour bigint,
                quantity bigint, events bigint, last_at float8
            )
            LEFT JOIN shared.customers AS c USING (scope, customer_id)
            GROUP BY 1, 2, 3
        ) AS n
        LEFT JOIN shared.usage AS u USING (organization_id, meter);
    END IF;
    IF facts ? 'payments' THEN
        -- Of each the last one that failed, and the last one that did not.
        SELECT array_agg(
            ROW(p.organization_id, p.failed, p.told_at, p.amount_minor, p.currency, p.decimals)
                ::ledger.payment
            ORDER BY p.organization_id
        ) INTO paid
        FROM (
            SELECT DISTINCT ON (1, 2)
                coalesce(n.organization_id, c.organization_id, n.customer_id) AS organization_id,
                n.failed, to_timestamp(n.at) AS told_at, n.amount_minor, n.currency, n.decimals
            FROM jsonb_to_recordset(facts -> 'payments') AS n (
                organization_id text, scope text, customer_id text, failed boolean, at float8,
                amount_minor bigint, currency text, decimals smallint
            )
            LEFT JOIN shared.customers AS c USING (scope, customer_id)
            ORDER BY 1, 2, n.at DESC, n.amount_minor DESC, n.currency
        ) AS p;
    END IF;
    IF facts ? 'subscriptions' THEN
        WITH changed AS (
            UPDATE shared.subscriptions AS s
            SET organization_id = ledger.organization_of(NULL, s.scope, s.customer_id)
            FROM jsonb_to_recordset(facts -> 'subscriptions') AS n (scope text, subscription_id text)
            WHERE s.scope = n.scope AND s.subscription_id = n.subscription_id
                AND s.customer_id IS NOT NULL
            RETURNING s.organization_id
        )
        SELECT array_agg(DISTINCT organization_id) INTO subscribed FROM changed;
    END IF;

    SELECT array_agg(DISTINCT named.id ORDER BY named.id) INTO organizations FROM (
        -- Most use changes nothing else, and most payments follow another: their own rows are lock
        -- enough.
        SELECT unnest(changing)
        UNION ALL SELECT n.organization_id FROM unnest(paid) AS n
        LEFT JOIN shared.last_payments AS l USING (organization_id)
        WHERE l.organization_id IS NULL
        UNION ALL SELECT unnest(subscribed)
        UNION ALL SELECT m.customer_id FROM unnest(mapped) AS m
        UNION ALL SELECT m.organization_id FROM unnest(mapped) AS m
        UNION ALL SELECT ledger.organization_of(n.organization_id, n.scope, n.customer_id)
        FROM jsonb_to_recordset(facts -> 'plans')
            AS n (organization_id text, scope text, customer_id text)
        UNION ALL SELECT ledger.organization_of(n.organization_id, n.scope, n.customer_id)
        FROM jsonb_to_recordset(facts -> 'credits')
            AS n (organization_id text, scope text, customer_id text)
    ) AS named (id);
    IF organizations IS NOT NULL THEN
        PERFORM ledger.lock_organizations(at, organizations);
    END IF;

    FOR found IN SELECT * FROM unnest(mapped) AS m ORDER BY m.scope, m.customer_id LOOP
        PERFORM ledger.move_organization(at, found.customer_id, found.organization_id);
    END LOOP;

    IF facts ? 'plans' THEN
        PERFORM ledger.apply_plans(facts -> 'plans');
        SELECT array_agg(DISTINCT o.id) INTO subscribed FROM (
            SELECT unnest(subscribed)
            UNION ALL SELECT ledger.organization_of(n.organization_id, n.scope, n.customer_id)
            FROM jsonb_to_recordset(facts -> 'plans')
                AS n (organization_id text, scope text, customer_id text)
        ) AS o (id);
    END IF;
    IF subscribed IS NOT NULL THEN
        PERFORM ledger.settle_plans(at, subscribed);
    END IF;

    IF used IS NOT NULL THEN
        INSERT INTO shared.api_usage_logs AS h (
            organization_id, meter, hour, quantity, events, created_at
        )
        SELECT n.organization_id, n.meter, n.hour, n.quantity, n.events, at FROM unnest(used) AS n
        ON CONFLICT (organization_id, meter, hour) DO UPDATE SET
            quantity = h.quantity + excluded.quantity, events = h.events + excluded.events;
        used := ledger.add_usage(at, used);
        IF used IS NOT NULL THEN
            -- Meanwhile another may have brought some to where more changes.
            organizations := ARRAY(
                SELECT n.organization_id FROM unnest(used) AS n
                EXCEPT SELECT unnest(organizations) ORDER BY 1
            );
            IF organizations <> '{}' THEN
                PERFORM ledger.lock_organizations(at, organizations);
            END IF;
            PERFORM ledger.settle_usage(at, used);
        END IF;
    END IF;
    IF paid IS NOT NULL THEN
        PERFORM ledger.apply_payments(at, paid);
    END IF;
    IF facts ? 'credits' THEN
        PERFORM ledger.apply_credits(at, facts -> 'credits');
    END IF;
END
$$;
