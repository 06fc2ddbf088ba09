-- How the figures of usage become alerts.

-- Bring the alerts in line with these (locked) figures.
CREATE FUNCTION ledger.tell_crossings(at timestamptz, crossed shared.usage[]) RETURNS void
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

-- The alerts that these figures call for, with what each says.
CREATE FUNCTION ledger.usage_texts(
    figures shared.usage,
    OUT type text, OUT severity text, OUT title text, OUT message text, OUT data jsonb
) RETURNS SETOF record LANGUAGE plpgsql STABLE ROWS 2 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := replace(figures.meter, '_', ' ');
    percentage bigint := floor(figures.used::numeric * 100 / nullif(figures.quota, 0));
    costs text;
    told_usage jsonb := jsonb_build_object('usage', jsonb_build_object(
        'meter', figures.meter, 'current', figures.used, 'quota', figures.quota,
        'percentage', percentage
    ));
BEGIN
    IF figures.level >= 1 THEN
        type := 'usage_threshold';
        severity := CASE figures.level WHEN 1 THEN 'medium' ELSE 'critical' END;
        title := format('Usage %s: %s',
            CASE figures.level WHEN 1 THEN 'warning' ELSE 'critical' END, name);
        -- Of a quota of 0 there is no percentage.
        message := format('Usage of %s is at %s the quota (%s of %s). Consider upgrading the plan.',
            name, coalesce(percentage || '% of', 'more than'), figures.used, figures.quota);
        data := told_usage;
        RETURN NEXT;
    END IF;
    IF figures.level = 3 THEN
        SELECT ledger.money_text(figures.cost_minor, m.currency, m.decimals) INTO costs
        FROM shared.organizations AS o CROSS JOIN shared.billing_settings AS s
        JOIN shared.plan_meters AS m ON m.plan = coalesce(o.plan, s.default_plan)
        WHERE o.organization_id = figures.organization_id AND m.meter = figures.meter
            AND figures.cost_minor > 0;
        type := 'overage_detected';
        severity := 'high';
        title := format('Overage detected: %s', name);
        message := format('Usage of %s is %s over the quota of %s.', name,
            figures.used - figures.quota, figures.quota)
            || coalesce(format(' Additional charges apply: %s so far.', costs), '');
        data := told_usage || jsonb_build_object(
            'overage', figures.used - figures.quota,
            'cost_minor', figures.cost_minor, 'currency', figures.currency
        );
        RETURN NEXT;
    END IF;
    IF figures.passed > 0 THEN
        type := 'usage_limit';
        severity := 'medium';
        title := format('Usage limit passed: %s', name);
        message := format('Usage of %s has passed %s in this period; it is at %s.', name,
            figures.passed, figures.used);
        data := told_usage || jsonb_build_object('limit', figures.passed);
        RETURN NEXT;
    END IF;
END
$$;
