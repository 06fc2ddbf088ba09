-- What people do with alerts, quotas and customers. Each function answers what became of it.

CREATE INDEX billing_alerts_created ON shared.billing_alerts (created_at, id);
CREATE INDEX billing_alerts_organization_created
ON shared.billing_alerts (organization_id, created_at, id);
CREATE INDEX billing_alerts_open_created ON shared.billing_alerts (created_at, id)
WHERE resolved_at IS NULL;
CREATE INDEX billing_alerts_acknowledged_until ON shared.billing_alerts (acknowledged_until)
WHERE resolved_at IS NULL AND acknowledged_until IS NOT NULL;

-- Somebody looks after an alert, for good or until a time: `acknowledged`, `renewed` (by the same
-- one, or taken over), `unchanged`, `held` (by another), `past` (that time is over),
-- `already_resolved` or `unknown`. An alert is one row, so its own lock is enough.
CREATE FUNCTION ledger.acknowledge_alert(
    at timestamptz, alert uuid, actor text, why text, until timestamptz,
    take_over boolean DEFAULT false
) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was shared.billing_alerts;
    is_held boolean;
BEGIN
    SELECT a.* INTO was FROM shared.billing_alerts AS a WHERE a.id = alert FOR NO KEY UPDATE;
    is_held := was.acknowledged_at IS NOT NULL AND coalesce(was.acknowledged_until > at, true);
    IF was.id IS NULL THEN
        RETURN 'unknown';
    ELSIF was.resolved_at IS NOT NULL THEN
        RETURN 'already_resolved';
    ELSIF until <= at THEN
        RETURN 'past';
    ELSIF is_held AND was.acknowledged_by <> actor AND NOT take_over THEN
        RETURN 'held';
    ELSIF is_held AND (was.acknowledged_by, was.note, was.acknowledged_until)
        IS NOT DISTINCT FROM (actor, why, until)
    THEN
        RETURN 'unchanged';
    END IF;
    -- A transition is what changes the time, even if it's the second one of a microsecond.
    UPDATE shared.billing_alerts AS a SET
        acknowledged_at = at + CASE
            WHEN was.acknowledged_at = at THEN interval '1 us' ELSE interval '0'
        END,
        acknowledged_by = actor, acknowledged_until = until, note = why, updated_at = at
    WHERE a.id = alert;
    RETURN CASE WHEN is_held THEN 'renewed' ELSE 'acknowledged' END;
END
$$;

-- Nobody looks after this alert any more. The transition tells who ended it, and why; the row
-- keeps nothing of it.
CREATE FUNCTION ledger.end_acknowledgement(at timestamptz, alert uuid, actor text, why text)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    UPDATE shared.billing_alerts SET
        acknowledged_at = NULL, acknowledged_by = actor, acknowledged_until = NULL, note = why,
        updated_at = at
    WHERE id = alert;
    UPDATE shared.billing_alerts SET acknowledged_by = NULL, note = NULL WHERE id = alert;
$$;

-- `unacknowledged`, `not_acknowledged`, `already_resolved` or `unknown`.
CREATE FUNCTION ledger.unacknowledge_alert(at timestamptz, alert uuid, actor text, why text)
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was shared.billing_alerts;
BEGIN
    SELECT a.* INTO was FROM shared.billing_alerts AS a WHERE a.id = alert FOR NO KEY UPDATE;
    IF was.id IS NULL THEN
        RETURN 'unknown';
    ELSIF was.resolved_at IS NOT NULL THEN
        RETURN 'already_resolved';
    ELSIF was.acknowledged_at IS NULL THEN
        RETURN 'not_acknowledged';
    END IF;
    PERFORM ledger.end_acknowledgement(at, alert, actor, why);
    RETURN 'unacknowledged';
END
$$;

-- End the acknowledgements whose time is over, up to `most` of them; how many there were.
CREATE FUNCTION ledger.expire_acknowledgements(at timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due uuid[];
BEGIN
    SELECT array_agg(d.id) INTO due FROM (
        SELECT a.id FROM shared.billing_alerts AS a
        WHERE a.resolved_at IS NULL AND a.acknowledged_until <= at
        ORDER BY a.acknowledged_until LIMIT most FOR NO KEY UPDATE SKIP LOCKED
    ) AS d;
    PERFORM ledger.end_acknowledgement(at, d.id, 'exporter', 'Its time is over.')
    FROM unnest(due) AS d (id);
    RETURN coalesce(cardinality(due), 0);
END
$$;

-- `resolved`, `already_resolved` or `unknown`. While its cause goes on, the same is not raised
-- again before it gets worse.
CREATE FUNCTION ledger.resolve_alert(at timestamptz, alert uuid, actor text, reason text)
RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE shared.billing_alerts AS a SET
        resolved_at = at, updated_at = at, resolved_by = actor, resolution = reason
    WHERE a.id = alert AND a.resolved_at IS NULL;
    IF FOUND THEN
        RETURN 'resolved';
    END IF;
    RETURN CASE
        WHEN EXISTS (SELECT FROM shared.billing_alerts AS a WHERE a.id = alert)
        THEN 'already_resolved' ELSE 'unknown'
    END;
END
$$;

-- Give an organisation a quota of its own for a meter, NULL for none at all: `set`, `set_early`
-- (nothing was known of the organisation) or `unchanged`. Its levels and alerts follow at once.
CREATE FUNCTION ledger.set_quota(
    at timestamptz, organization text, for_meter text, new_quota bigint, actor text
) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_known boolean := EXISTS (
        SELECT FROM shared.organizations AS o WHERE o.organization_id = organization
    );
    is_changed boolean;
BEGIN
    PERFORM ledger.lock_organizations(at, ARRAY[organization]);
    INSERT INTO shared.quota_overrides AS q (organization_id, meter, quota, set_by, set_at)
    VALUES (organization, for_meter, new_quota, actor, at)
    ON CONFLICT (organization_id, meter) DO UPDATE SET
        quota = excluded.quota, set_by = excluded.set_by, set_at = excluded.set_at
    WHERE q.quota IS DISTINCT FROM excluded.quota;
    is_changed := FOUND;
    PERFORM ledger.settle_usage(at, ledger.known_meters(ARRAY[organization]));
    RETURN CASE
        WHEN NOT is_changed THEN 'unchanged' WHEN is_known THEN 'set' ELSE 'set_early'
    END;
END
$$;

-- Let the plan's quota hold again: `cleared`, `unchanged` (it did) or `unknown` (nothing is known
-- of the organisation).
CREATE FUNCTION ledger.clear_quota(
    at timestamptz, organization text, for_meter text
) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_changed boolean;
BEGIN
    IF NOT EXISTS (
        SELECT FROM shared.organizations AS o WHERE o.organization_id = organization
    ) THEN
        RETURN 'unknown';
    END IF;
    PERFORM ledger.lock_organizations(at, ARRAY[organization]);
    DELETE FROM shared.quota_overrides AS q
    WHERE q.organization_id = organization AND q.meter = for_meter;
    is_changed := FOUND;
    PERFORM ledger.settle_usage(at, ledger.known_meters(ARRAY[organization]));
    RETURN CASE WHEN is_changed THEN 'cleared' ELSE 'unchanged' END;
END
$$;

-- Say to which organisation a customer belongs: `mapped`, with everything that it was as an
-- organisation by itself; `remapped`, from another one, with its subscriptions (whose usage the
-- other's was is not known, so that stays); or `unchanged`.
CREATE FUNCTION ledger.map_customer(
    at timestamptz, for_scope text, customer text, organization text, actor text
) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was text;
    is_mapped boolean;
BEGIN
    -- As events map customers: by one at a time, and before any organisation is locked.
    PERFORM pg_advisory_xact_lock(hashtext('shared.customers'));
    SELECT c.organization_id INTO was FROM shared.customers AS c
    WHERE c.scope = for_scope AND c.customer_id = customer;
    is_mapped := FOUND;
    IF was = organization THEN
        RETURN 'unchanged';
    END IF;
    INSERT INTO shared.customers AS c (scope, customer_id, organization_id, mapped_by, mapped_at)
    VALUES (for_scope, customer, organization, actor, at)
    ON CONFLICT (scope, customer_id) DO UPDATE SET
        organization_id = excluded.organization_id, mapped_by = excluded.mapped_by,
        mapped_at = excluded.mapped_at;
    IF NOT is_mapped THEN
        IF customer <> organization THEN
            PERFORM ledger.lock_organizations(at, ARRAY[customer, organization]);
            PERFORM ledger.move_organization(at, customer, organization);
        END IF;
        RETURN 'mapped';
    END IF;
    PERFORM ledger.lock_organizations(at, ARRAY[was, organization]);
    UPDATE shared.subscriptions AS s SET organization_id = organization
    WHERE s.scope = for_scope AND s.customer_id = customer;
    PERFORM ledger.settle_plans(at, ARRAY[was, organization]);
    RETURN 'remapped';
END
$$;
