-- What is known of events whose ids named a customer that was erased: hashes, so that they count no
-- second time. Those of ids go when the ids would have gone; those of once keys (received at
-- infinity) stay.
CREATE TABLE ledger.erased (
    hash bytea PRIMARY KEY,
    received_at timestamptz NOT NULL
);

-- The hash that stands for an id ('event') or a once key ('once').
CREATE FUNCTION ledger.erased_hash(kind text, source text, scope text, id text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to(kind || E'\n' || source || E'\n' || scope || E'\n' || id, 'UTF8'));
