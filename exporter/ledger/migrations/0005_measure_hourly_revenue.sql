-- How far the totals of succeeded payments are counted into the hours.
CREATE TABLE ledger.revenue_marks (
    source text NOT NULL,
    livemode boolean NOT NULL,
    currency text NOT NULL,
    total_minor numeric NOT NULL,
    measured_at timestamptz NOT NULL,
    PRIMARY KEY (source, livemode, currency)
);

-- What each hour (UTC) brought, and for how much of it somebody measured.
CREATE TABLE ledger.hourly_revenue (
    hour timestamptz NOT NULL,
    source text NOT NULL,
    livemode boolean NOT NULL,
    currency text NOT NULL,
    amount_minor numeric NOT NULL,
    measured_seconds float8 NOT NULL,
    PRIMARY KEY (hour, source, livemode, currency)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_operator') THEN
        GRANT SELECT ON ledger.revenue_marks, ledger.hourly_revenue TO billing_operator;
    END IF;
END
$$;

-- What came in before belongs to no hour that is known.
INSERT INTO ledger.revenue_marks (source, livemode, currency, total_minor, measured_at)
SELECT labels ->> 'source', labels ->> 'livemode' = 'true', labels ->> 'currency', sum(amount), now()
FROM ledger.current_totals
WHERE metric = 'billing_payment_amount_total' AND labels ?& ARRAY['source', 'livemode', 'currency']
GROUP BY 1, 2, 3;
