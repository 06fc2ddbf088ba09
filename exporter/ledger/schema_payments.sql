-- What is asked for when a payment failed.

-- A failed payment asks for action until a later one succeeds, whatever the order of arrival.
CREATE FUNCTION ledger.apply_payments(at timestamptz, told ledger.payment[]) RETURNS void
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
