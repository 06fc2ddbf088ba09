-- Whose facts are: customers, their organisations, plans and usage, from what a group brought.

CREATE TYPE ledger.payment AS (
    organization_id text, failed boolean, told_at timestamptz, amount_minor bigint, currency text,
    decimals smallint
);

-- Whom a customer belongs to.
CREATE FUNCTION ledger.organization_of(organization_id text, scope text, customer_id text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(organization_id, (
    SELECT c.organization_id FROM shared.customers AS c
    WHERE c.scope = organization_of.scope AND c.customer_id = organization_of.customer_id
), customer_id);

-- The customers that are mapped by these facts, and were not before. The first one to map a customer
-- holds, but for an operator, who may map it anew.
CREATE FUNCTION ledger.newly_mapped(facts jsonb) RETURNS SETOF shared.customers
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT ON (n.scope, n.customer_id)
        n.scope, n.customer_id, n.organization_id, 'metadata', now()
    FROM jsonb_to_recordset(facts -> 'customers')
        AS n (scope text, customer_id text, organization_id text)
    WHERE NOT EXISTS (
        SELECT FROM shared.customers AS c
        WHERE c.scope = n.scope AND c.customer_id = n.customer_id
    )
    ORDER BY n.scope, n.customer_id, n.organization_id
$$;

-- What a group tells of organisations, at this time: `usage` by meter and hour of whoever it names
-- (an organisation, else a customer of a scope), `plans`, `payments` and `credits` of the same,
-- `customers` whose organisation was named, and `subscriptions` that changed.
CREATE FUNCTION ledger.apply_facts(at timestamptz, facts jsonb) RETURNS void
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

-- What the app told of plans: the latest holds, whatever the order of arrival; NULL is an end.
CREATE FUNCTION ledger.apply_plans(plans jsonb) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    UPDATE shared.organizations AS o SET
        app_plan = n.plan, app_plan_at = to_timestamp(n.at), app_plan_event = n.event
    FROM (
        SELECT DISTINCT ON (1)
            ledger.organization_of(n.organization_id, n.scope, n.customer_id) AS organization_id,
            n.plan, n.at, n.event
        FROM jsonb_to_recordset(plans) AS n (
            organization_id text, scope text, customer_id text, plan text, at float8, event text
        )
        ORDER BY 1, n.at DESC, n.event COLLATE "C" DESC
    ) AS n
    WHERE o.organization_id = n.organization_id
        AND (to_timestamp(n.at), n.event COLLATE "C")
            > (o.app_plan_at, o.app_plan_event COLLATE "C")
$$;

-- What no event brings about: periods that end, what billing.yml changed. Takes up to `most`
-- organisations; how many there were.
CREATE FUNCTION ledger.sweep_usage(at timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due text[];
BEGIN
    -- Whose period is over is found by an index: at the turn of a month that is nearly everybody.
    due := ARRAY(
        SELECT o.organization_id FROM shared.organizations AS o
        WHERE o.period_end <= at ORDER BY o.period_end LIMIT most
    );
    IF cardinality(due) = 0 THEN
        due := ARRAY(
            SELECT DISTINCT d.organization_id FROM (
                SELECT u.organization_id
                FROM shared.usage AS u
                CROSS JOIN shared.billing_settings AS s
                JOIN shared.organizations AS o USING (organization_id)
                LEFT JOIN shared.quota_overrides AS q USING (organization_id, meter)
                LEFT JOIN shared.plan_meters AS m
                    ON m.plan = coalesce(o.plan, s.default_plan) AND m.meter = u.meter
                WHERE u.quota IS DISTINCT FROM
                        CASE WHEN q.organization_id IS NULL THEN m.quota ELSE q.quota END
                    OR u.period_start <> o.period_start OR u.period_end <> o.period_end
                    OR u.level <> ledger.usage_level(
                        u.used, u.quota, s.warning_percent, s.critical_percent
                    )
                    OR u.currency IS DISTINCT FROM m.currency
                    OR u.passed <> CASE WHEN u.used >= m.limits[1]
                        THEN (SELECT max(l.units) FROM unnest(m.limits) AS l (units) WHERE l.units <= u.used)
                        ELSE 0 END
                    OR u.cost_minor <> CASE WHEN u.used > m.tier_units[1]
                        THEN ledger.usage_cost(u.used, m.tier_units, m.tier_prices) ELSE 0 END
                    -- 0 is not known yet, and follows with the next use.
                    OR u.next_units > 0 AND u.next_units <> ledger.next_units(
                        u.used, u.quota, s.warning_percent, s.critical_percent,
                        CASE WHEN u.used < m.limits[1] THEN m.limits[1]
                        WHEN u.used < m.limits[cardinality(m.limits)]
                        THEN (SELECT min(l.units) FROM unnest(m.limits) AS l (units) WHERE l.units > u.used)
                        END,
                        m.tier_units[1]
                    )
                LIMIT most
            ) AS d
        );
    END IF;
    IF cardinality(due) = 0 THEN
        RETURN 0;
    END IF;
    -- Some may have been found to be others meanwhile; from here on none is.
    PERFORM pg_advisory_xact_lock_shared(hashtext('shared.customers'));
    due := ARRAY(
        SELECT o.organization_id FROM shared.organizations AS o
        WHERE o.organization_id = ANY (due)
    );
    PERFORM ledger.lock_organizations(at, due);
    PERFORM ledger.settle_usage(at, ledger.known_meters(due));
    RETURN cardinality(due);
END
$$;
