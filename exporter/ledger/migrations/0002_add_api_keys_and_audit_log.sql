-- Keys of the API, by the SHA-256 of their secret, which stands nowhere. A key of an organisation
-- acts for it alone.
CREATE TABLE ledger.api_keys (
    key_id text PRIMARY KEY,
    name text NOT NULL,
    digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    organization_id text CHECK (organization_id <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

-- What was done with admin rights, by whom; only ever appended to.
CREATE TABLE ledger.audit_log (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'failed', 'refused')),
    details jsonb NOT NULL DEFAULT '{}'
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_operator') THEN
        GRANT SELECT ON ledger.audit_log TO billing_operator;
        GRANT SELECT (
            key_id, name, scopes, organization_id, created_at, expires_at, revoked_at
        ) ON ledger.api_keys TO billing_operator;
    END IF;
END
$$;
