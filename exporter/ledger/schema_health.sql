-- What was last found of the system's health: about the whole of it, or about one replica.
CREATE TABLE ledger.health_checks (
    name text NOT NULL,
    replica text NOT NULL DEFAULT '',
    status text NOT NULL CHECK (status IN ('ok', 'unknown', 'degraded', 'failing')),
    detail text NOT NULL,
    checked_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    PRIMARY KEY (name, replica)
);
