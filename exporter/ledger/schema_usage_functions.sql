-- How usage becomes figures of a period, and figures become alerts.

-- The start, in the j-th month after that of `month`, of a period that begins on day `day` (or on
-- the month's last) at that time of day; all in UTC.
CREATE FUNCTION ledger.month_start(month timestamp, j integer, day integer, clock interval)
RETURNS timestamp LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN month + make_interval(months => j) + clock + make_interval(days => least(
    day,
    extract(day FROM month + make_interval(months => j + 1) - interval '1 day')::integer
) - 1);

-- The period that holds `at`: one of those that follow the anchor without a gap, each as long (in
-- months, if the anchor is of whole months); without an anchor the calendar month. Half open, in
-- UTC, from full hour to full hour.
CREATE FUNCTION ledger.period_at(
    anchor_start timestamptz, anchor_end timestamptz, at timestamptz,
    OUT period_start timestamptz, OUT period_end timestamptz
) LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first timestamp := date_trunc('hour', anchor_start AT TIME ZONE 'UTC');
    last timestamp := date_trunc('hour', anchor_end AT TIME ZONE 'UTC');
    here timestamp := at AT TIME ZONE 'UTC';
    month timestamp;
    clock interval;
    day integer;
    months integer;
    j integer;
    seconds bigint;
BEGIN
    IF first IS NULL OR last IS NULL OR last <= first THEN
        first := date_trunc('month', here);
        last := first + interval '1 month';
    END IF;
    here := greatest(here, first);
    month := date_trunc('month', first);
    clock := first - date_trunc('day', first);
    day := greatest(extract(day FROM first), extract(day FROM last));
    months := (extract(year FROM last) - extract(year FROM first)) * 12
        + extract(month FROM last) - extract(month FROM first);
    IF months > 0
        AND ledger.month_start(month, 0, day, clock) = first
        AND ledger.month_start(month, months, day, clock) = last
    THEN
        j := (extract(year FROM here) - extract(year FROM month)) * 12
            + extract(month FROM here) - extract(month FROM month);
        j := j - j % months;
        IF ledger.month_start(month, j, day, clock) > here THEN
            j := j - months;
        END IF;
        period_start := ledger.month_start(month, j, day, clock) AT TIME ZONE 'UTC';
        period_end := ledger.month_start(month, j + months, day, clock) AT TIME ZONE 'UTC';
    ELSE
        seconds := extract(epoch FROM last - first);
        j := floor(extract(epoch FROM here - first) / seconds);
        period_start := (first + make_interval(secs => j::float8 * seconds)) AT TIME ZONE 'UTC';
        period_end := (first + make_interval(secs => (j + 1)::float8 * seconds)) AT TIME ZONE 'UTC';
    END IF;
END
$$;

-- What `used` units cost in minor units: those above tier_units[i], up to the next tier's, cost
-- tier_prices[i] each. Rounded once, half up; what would be past a bigint is the largest one.
CREATE FUNCTION ledger.usage_cost(used bigint, tier_units bigint[], tier_prices numeric[])
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT least(coalesce(round(sum(
        price * (least(used, coalesce(next_units, used)) - units)
    )), 0), 9223372036854775807)::bigint
    FROM (
        SELECT units, price, lead(units) OVER (ORDER BY units) AS next_units
        FROM unnest(tier_units, tier_prices) AS tiers (units, price)
    ) AS tiers
    WHERE units < used
);

-- 0, 1 (warning), 2 (critical) or 3 (over).
CREATE FUNCTION ledger.usage_level(
    used bigint, quota bigint, warning_percent smallint, critical_percent smallint
) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN used > quota THEN 3
    WHEN used = 0 OR quota IS NULL THEN 0
    WHEN used::numeric * 100 >= quota::numeric * critical_percent THEN 2
    WHEN used::numeric * 100 >= quota::numeric * warning_percent THEN 1
    ELSE 0
END::smallint;

-- The fewest units that are so many percent, 100 at most, of a quota; no product is past a bigint.
CREATE FUNCTION ledger.units_at(quota bigint, percent smallint)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN quota / 100 * percent + (quota % 100 * percent + 99) / 100;

-- With how many units, more than `used`, a level or the cost changes, or the next limit is passed.
CREATE FUNCTION ledger.next_units(
    used bigint, quota bigint, warning_percent smallint, critical_percent smallint,
    next_limit bigint, first_tier bigint
) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(
    9223372036854775807,
    next_limit,
    CASE WHEN first_tier < 9223372036854775807 THEN greatest(first_tier, used) + 1 END,
    CASE WHEN used < ledger.units_at(quota, warning_percent)
    THEN ledger.units_at(quota, warning_percent) END,
    CASE WHEN used < ledger.units_at(quota, critical_percent)
    THEN ledger.units_at(quota, critical_percent) END,
    CASE WHEN used <= quota AND quota < 9223372036854775807 THEN quota + 1 END
);

CREATE FUNCTION ledger.money_text(amount_minor bigint, currency text, decimals smallint)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(amount_minor / (10::numeric ^ decimals), decimals) || ' ' || upper(currency);

-- Lock the organisations, new ones made, in the one order that there is; those whose period is over
-- enter the next. The clock may step back: a period that began stays.
CREATE FUNCTION ledger.lock_organizations(at timestamptz, organizations text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
DECLARE
    locked bigint;
    over boolean;
BEGIN
    FOR attempt IN 1 .. 2 LOOP
        SELECT count(*), bool_or(o.period_end <= at) INTO locked, over FROM (
            SELECT o.period_end FROM shared.organizations AS o
            WHERE o.organization_id = ANY (organizations)
            ORDER BY o.organization_id FOR NO KEY UPDATE
        ) AS o;
        EXIT WHEN locked = cardinality(organizations);
        INSERT INTO shared.organizations (organization_id, period_start, period_end)
        SELECT n.organization_id, p.period_start, p.period_end
        FROM ledger.period_at(NULL, NULL, at) AS p, unnest(organizations) AS n (organization_id)
        ORDER BY n.organization_id
        ON CONFLICT DO NOTHING;
    END LOOP;
    IF over THEN
        UPDATE shared.organizations AS o SET (period_start, period_end) = (
            SELECT p.period_start, p.period_end
            FROM ledger.period_at(o.anchor_start, o.anchor_end, at) AS p
        )
        WHERE o.organization_id = ANY (organizations) AND o.period_end <= at;
    END IF;
END
$$;

-- Units of a meter that an organisation used in an hour, or no hour at all, to have its figures
-- settled.
CREATE TYPE ledger.hour_usage AS (
    organization_id text, meter text, hour timestamptz, quantity bigint, events bigint,
    last_at timestamptz
);

-- Every meter of these organisations, without any use.
CREATE FUNCTION ledger.known_meters(organizations text[]) RETURNS ledger.hour_usage[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT array_agg(ROW(u.organization_id, u.meter, NULL, 0, 0, NULL)::ledger.hour_usage)
    FROM shared.usage AS u WHERE u.organization_id = ANY (organizations)
);

-- Bring the current figures of what was `used` by (locked) organisations up to date: what fell into
-- the current period is added, and a period that is new is summed from its hours.
CREATE FUNCTION ledger.settle_usage(at timestamptz, used ledger.hour_usage[])
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
-- row; the others' are returned, for `ledger.settle_usage`. All are noted, to be judged.
CREATE FUNCTION ledger.add_usage(at timestamptz, used ledger.hour_usage[])
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
