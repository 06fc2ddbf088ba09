-- How many credits each organisation has left, and when that is too few.

CREATE TABLE shared.credit_balances (
    organization_id text PRIMARY KEY,
    credits bigint NOT NULL
) WITH (fillfactor = 80);

-- Credits that (locked) organisations got or consumed. With `low_credits` set, `credits_low` is raised
-- by consumption that leaves fewer, and ends when there are as many again.
CREATE FUNCTION ledger.apply_credits(at timestamptz, credits jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    WITH changed AS (
        SELECT ledger.organization_of(n.organization_id, n.scope, n.customer_id)
            AS organization_id, sum(n.credits)::bigint AS credits
        FROM jsonb_to_recordset(apply_credits.credits) AS n (
            organization_id text, scope text, customer_id text, credits bigint
        )
        GROUP BY 1
    ),
    kept AS (
        INSERT INTO shared.credit_balances AS b (organization_id, credits)
        SELECT organization_id, credits FROM changed ORDER BY organization_id
        ON CONFLICT (organization_id) DO UPDATE SET credits = b.credits + excluded.credits
        RETURNING b.organization_id, b.credits
    ),
    ended AS (
        UPDATE shared.billing_alerts AS a SET
            resolved_at = at, updated_at = at, resolved_by = 'exporter',
            resolution = 'There are enough credits again.'
        FROM kept AS k CROSS JOIN shared.billing_settings AS s
        WHERE a.organization_id = k.organization_id AND a.type = 'credits_low'
            AND a.resolved_at IS NULL AND k.credits >= coalesce(s.low_credits, k.credits)
    )
    INSERT INTO shared.billing_alerts (
        organization_id, type, severity, title, message, data, created_at, updated_at
    )
    SELECT k.organization_id, 'credits_low', 'medium', 'Credits are running out',
        format('%s credits are left, fewer than %s.', k.credits, s.low_credits),
        jsonb_build_object('credits', k.credits, 'limit', s.low_credits), at, at
    FROM kept AS k
    JOIN changed AS c USING (organization_id)
    CROSS JOIN shared.billing_settings AS s
    -- It was enough before.
    WHERE k.credits < s.low_credits AND k.credits - c.credits >= s.low_credits
    ORDER BY k.organization_id
    ON CONFLICT DO NOTHING;
END
$$;
