-- name: record
INSERT INTO ledger.audit_log (actor, action, target, outcome, details)
VALUES (%(actor)s, %(action)s, %(target)s, %(outcome)s, %(details)s);

-- name: create_key
INSERT INTO ledger.api_keys (key_id, name, digest, scopes, organization_id, expires_at)
VALUES (
    %(key_id)s, %(name)s, %(digest)s, %(scopes)s, %(organization_id)s,
    now() + %(expires_seconds)s::float8 * interval '1 s'
);

-- name: list_keys
SELECT
    key_id,
    name,
    scopes,
    organization_id,
    CASE
        WHEN revoked_at IS NOT NULL THEN 'revoked'
        WHEN expires_at <= now() THEN 'expired'
        ELSE 'live'
    END AS state,
    created_at,
    expires_at,
    revoked_at
FROM ledger.api_keys
ORDER BY created_at, key_id;

-- name: revoke_key
UPDATE ledger.api_keys SET revoked_at = now()
WHERE key_id = %(key_id)s AND revoked_at IS NULL
RETURNING name;

-- name: find_key
-- How long it is still good is told in seconds, so that only the database's clock counts.
SELECT
    key_id,
    name,
    scopes,
    organization_id,
    revoked_at IS NOT NULL,
    extract(epoch FROM expires_at - clock_timestamp())::float8
FROM ledger.api_keys
WHERE digest = %(digest)s;
