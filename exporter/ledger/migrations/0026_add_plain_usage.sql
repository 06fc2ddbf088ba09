-- Use that changes nothing but a sum is added under the lock of its own row; only what is new, crosses
-- something, begins a period or changes a plan locks its organisation.

ALTER TABLE shared.usage ADD COLUMN next_units bigint NOT NULL DEFAULT 0;
DROP FUNCTION ledger.tell_crossings(timestamptz, text[]);

-- Bring the alerts in line with these (locked) figures.
CREATE OR REPLACE FUNCTION ledger.tell_crossings(at timestamptz, crossed shared.usage[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off AS $$
BEGIN
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = 'exporter',
        resolution = CASE
            WHEN a.period_start <> c.period_start THEN 'Its period is over.'
            WHEN a.type = 'usage_limit' AND c.passed > 0 THEN 'Another limit is passed.'
            ELSE 'Usage is below the threshold.'
        END
    FROM unnest(crossed) AS c
    WHERE a.organization_id = c.organization_id AND a.meter = c.meter AND a.resolved_at IS NULL
        AND (
            (a.type = 'usage_threshold' AND (c.level = 0 OR a.period_start <> c.period_start))
            OR (a.type = 'overage_detected' AND (c.level < 3 OR a.period_start <> c.period_start))
            OR (a.type = 'usage_limit' AND (
                a.data -> 'limit' <> to_jsonb(c.passed) OR a.period_start <> c.period_start
            ))
        );

    WITH said AS (
        SELECT c.*, t.*,
            CASE WHEN c.period_start = c.told_period_start THEN c.told_level ELSE 0 END AS known,
            CASE WHEN c.period_start = c.told_period_start THEN c.told_passed ELSE 0 END
            AS known_passed
        FROM unnest(crossed) AS c, ledger.usage_texts(c) AS t
    ),
    changed AS (
        UPDATE shared.billing_alerts AS a SET
            severity = s.severity, title = s.title, message = s.message, data = s.data,
            updated_at = at,
            -- Who saw to a warning has not seen that it became critical.
            acknowledged_at = CASE WHEN s.severity <> 'critical' THEN a.acknowledged_at END,
            acknowledged_by = CASE WHEN s.severity <> 'critical' THEN a.acknowledged_by END,
            acknowledged_until = CASE WHEN s.severity <> 'critical' THEN a.acknowledged_until END,
            note = CASE WHEN s.severity <> 'critical' THEN a.note END
        FROM said AS s
        WHERE a.organization_id = s.organization_id AND a.meter = s.meter AND a.type = s.type
            AND a.period_start = s.period_start AND a.resolved_at IS NULL
            AND a.severity <> s.severity
    )
    INSERT INTO shared.billing_alerts (
        organization_id, type, severity, title, message, data, meter, period_start,
        created_at, updated_at
    )
    SELECT organization_id, type, severity, title, message, data, meter, period_start, at, at
    FROM said
    WHERE CASE type
        WHEN 'usage_threshold' THEN least(level, 2) > known
        WHEN 'overage_detected' THEN level > known
        ELSE passed <> known_passed
    END
    ON CONFLICT DO NOTHING;

    UPDATE shared.usage AS u SET
        told_period_start = c.period_start, told_level = c.level, told_passed = c.passed
    FROM unnest(crossed) AS c
    WHERE u.organization_id = c.organization_id AND u.meter = c.meter;
END
$$;

-- The fewest units that are so many percent, 100 at most, of a quota; no product is past a bigint.
CREATE OR REPLACE FUNCTION ledger.units_at(quota bigint, percent smallint)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN quota / 100 * percent + (quota % 100 * percent + 99) / 100;

-- With how many units, more than `used`, a level or the cost changes, or the next limit is passed.
CREATE OR REPLACE FUNCTION ledger.next_units(
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

-- Lock the organisations, new ones made, in the one order that there is; those whose period is over
-- enter the next. The clock may step back: a period that began stays.
CREATE OR REPLACE FUNCTION ledger.lock_organizations(at timestamptz, organizations text[]) RETURNS void
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

-- What no event brings about: periods that end, what billing.yml changed. Takes up to `most`
-- organisations; how many there were.
CREATE OR REPLACE FUNCTION ledger.sweep_usage(at timestamptz, most integer) RETURNS integer
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
