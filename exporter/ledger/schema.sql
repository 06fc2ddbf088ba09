-- The whole schema as the migrations leave it, in one place to read. Nothing runs this file: a test
-- compares it with what migrations/ makes.
CREATE SCHEMA ledger;
CREATE SCHEMA shared;

-- Which migrations were run, and the SHA-256 of their text.
CREATE TABLE ledger.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    run_at timestamptz NOT NULL DEFAULT now()
);

-- Which ledger this is, in its one row: a replica compares it with what it knew before a restore.
CREATE TABLE ledger.identity (
    ledger_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row a replica. Each group raises group_no first, so a lost answer to COMMIT can be told,
-- and a process whose holder was replaced can commit nothing more.
CREATE TABLE ledger.leases (
    replica text PRIMARY KEY,
    holder uuid NOT NULL,
    held_by text NOT NULL,
    group_no bigint NOT NULL DEFAULT 0,
    epoch integer NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL
);

-- The ids that were seen, narrow because it is on the path of every event.
CREATE TABLE ledger.event_ids (
    source text NOT NULL,
    scope text NOT NULL,
    id text NOT NULL,
    digest bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, scope, id)
);
CREATE INDEX event_ids_received_at ON ledger.event_ids (received_at);

-- Facts that several events may carry and that count once: a refund, a customer's first step.
CREATE TABLE ledger.once_keys (
    source text NOT NULL,
    scope text NOT NULL,
    key text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, scope, key)
);

-- Telemetry as it came, a group a row: zlib of one JSON event a line.
CREATE TABLE ledger.contents (
    replica text NOT NULL,
    epoch integer NOT NULL,
    group_no bigint NOT NULL,
    events bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (replica, epoch, group_no)
);
CREATE INDEX contents_received_at ON ledger.contents (received_at);

-- Stripe's bodies as they came: zlib of the raw bytes.
CREATE TABLE ledger.stripe_bodies (
    scope text NOT NULL,
    id text NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, id)
);
CREATE INDEX stripe_bodies_received_at ON ledger.stripe_bodies (received_at);

-- What each group added, appended; folded into totals in the background.
CREATE TABLE ledger.increments (
    replica text NOT NULL,
    epoch integer NOT NULL,
    group_no bigint NOT NULL,
    increments jsonb NOT NULL,
    PRIMARY KEY (replica, epoch, group_no)
);

-- The folded sums, in the metric's stored integer unit.
CREATE TABLE ledger.totals (
    replica text NOT NULL,
    epoch integer NOT NULL,
    metric text NOT NULL,
    labels jsonb NOT NULL,
    part text NOT NULL,
    layout smallint NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (replica, epoch, metric, labels, part, layout)
);

CREATE VIEW ledger.current_totals AS
SELECT replica, epoch, metric, labels, part, layout, sum(amount) AS amount
FROM (
    SELECT replica, epoch, metric, labels, part, layout, amount FROM ledger.totals
    UNION ALL
    SELECT i.replica, i.epoch, r.metric, r.labels, r.part, r.layout, r.amount
    FROM ledger.increments AS i,
        jsonb_to_recordset(i.increments)
        AS r (metric text, labels jsonb, part text, layout smallint, amount numeric)
) AS both_halves
GROUP BY replica, epoch, metric, labels, part, layout;

-- Stripe events that could not be processed; they don't take their id, so they can be replayed.
CREATE TABLE ledger.dead_letters (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope text NOT NULL,
    id text NOT NULL,
    event_type text NOT NULL,
    reason text NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz,
    UNIQUE (scope, id)
);

-- The periodic jobs: who runs each, and when it last succeeded.
CREATE TABLE ledger.monitors (
    monitor text PRIMARY KEY,
    holder uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    last_success_at timestamptz
);

-- Gauges of global state, written by the monitor that owns them, exposed by every replica.
CREATE TABLE ledger.gauges (
    metric text NOT NULL,
    labels jsonb NOT NULL,
    value bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (metric, labels)
);

-- What Stripe last said of each subscription, and which event said it.
CREATE TABLE shared.subscriptions (
    scope text NOT NULL,
    subscription_id text NOT NULL,
    customer_id text,
    livemode boolean NOT NULL,
    status text NOT NULL,
    plan text NOT NULL,
    period_start timestamptz,
    period_end timestamptz,
    terminal boolean NOT NULL,
    created_seconds bigint NOT NULL,
    type_rank smallint NOT NULL,
    status_rank smallint NOT NULL,
    event_id text NOT NULL,
    tied boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, subscription_id)
);
CREATE INDEX subscriptions_tied ON shared.subscriptions (scope, subscription_id) WHERE tied;

-- People who look into the ledger: everything but bodies, which hold personal data.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_operator') THEN
        GRANT USAGE ON SCHEMA ledger, shared TO billing_operator;
        GRANT SELECT ON ALL TABLES IN SCHEMA ledger, shared TO billing_operator;
        REVOKE SELECT ON ledger.contents, ledger.stripe_bodies, ledger.dead_letters
        FROM billing_operator;
    END IF;
END
$$;

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

-- One group in one call: everything is written, or, if an id, a once key or a dead letter is there
-- already, nothing is, and the answer says which. A client that stops half way has sent no call,
-- so it can hold no lock.
CREATE FUNCTION ledger.commit_group(
    for_replica text, by_holder uuid, lease_seconds float8,
    sources text[], scopes text[], ids text[], digests bigint[],
    once_sources text[], once_scopes text[], once_keys text[],
    letter_scopes text[], letter_ids text[], letter_types text[], letter_reasons text[],
    letter_bodies bytea[],
    contents bytea,
    body_scopes text[], body_ids text[], bodies bytea[],
    increments jsonb, subscriptions jsonb,
    OUT group_no bigint, OUT epoch integer, OUT known jsonb
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    written bigint;
    forgotten boolean;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '3000', true);
    BEGIN
        UPDATE ledger.leases AS l
        SET group_no = l.group_no + 1,
            expires_at = clock_timestamp() + lease_seconds * interval '1 s'
        WHERE l.replica = for_replica AND l.holder = by_holder
        RETURNING l.group_no, l.epoch INTO commit_group.group_no, commit_group.epoch;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        -- Of what named an erased customer only hashes are left. Mostly there are none at all.
        forgotten := EXISTS (SELECT FROM ledger.erased);

        INSERT INTO ledger.event_ids (source, scope, id, digest)
        SELECT n.source, n.scope, n.id, n.digest
        FROM unnest(sources, scopes, ids, digests) AS n (source, scope, id, digest)
        WHERE NOT forgotten OR NOT EXISTS (
            SELECT FROM ledger.erased AS e
            WHERE e.hash = ledger.erased_hash('event', n.source, n.scope, n.id)
        )
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written < cardinality(ids) THEN
            RAISE SQLSTATE 'BE001';
        END IF;

        IF cardinality(once_keys) > 0 THEN
            INSERT INTO ledger.once_keys (source, scope, key)
            SELECT n.source, n.scope, n.key
            FROM unnest(once_sources, once_scopes, once_keys) AS n (source, scope, key)
            WHERE NOT forgotten OR NOT EXISTS (
                SELECT FROM ledger.erased AS e
                WHERE e.hash = ledger.erased_hash('once', n.source, n.scope, n.key)
            )
            ON CONFLICT DO NOTHING;
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written < cardinality(once_keys) THEN
                RAISE SQLSTATE 'BE001';
            END IF;
        END IF;

        IF cardinality(letter_ids) > 0 THEN
            INSERT INTO ledger.dead_letters (scope, id, event_type, reason, body)
            SELECT * FROM unnest(
                letter_scopes, letter_ids, letter_types, letter_reasons, letter_bodies
            )
            ON CONFLICT DO NOTHING;
            GET DIAGNOSTICS written = ROW_COUNT;
            IF written < cardinality(letter_ids) THEN
                RAISE SQLSTATE 'BE001';
            END IF;
        END IF;

        IF contents IS NOT NULL THEN
            INSERT INTO ledger.contents (replica, epoch, group_no, events)
            VALUES (for_replica, commit_group.epoch, commit_group.group_no, commit_group.contents);
        END IF;
        IF cardinality(body_ids) > 0 THEN
            INSERT INTO ledger.stripe_bodies (scope, id, body)
            SELECT * FROM unnest(body_scopes, body_ids, bodies)
            ON CONFLICT DO NOTHING;
        END IF;
        IF increments IS NOT NULL THEN
            INSERT INTO ledger.increments (replica, epoch, group_no, increments)
            VALUES (
                for_replica, commit_group.epoch, commit_group.group_no, commit_group.increments
            );
        END IF;
        IF subscriptions IS NOT NULL THEN
            PERFORM ledger.apply_subscriptions(subscriptions);
        END IF;
    EXCEPTION WHEN SQLSTATE 'BE001' THEN
        group_no := NULL;
        epoch := NULL;
        known := jsonb_build_object(
            'ids', (
                SELECT coalesce(jsonb_agg(jsonb_build_array(n.source, n.scope, n.id, e.digest)), '[]')
                FROM unnest(sources, scopes, ids) AS n (source, scope, id)
                LEFT JOIN ledger.event_ids AS e USING (source, scope, id)
                WHERE e.id IS NOT NULL OR EXISTS (
                    SELECT FROM ledger.erased AS x
                    WHERE x.hash = ledger.erased_hash('event', n.source, n.scope, n.id)
                )
            ),
            'once', (
                SELECT coalesce(jsonb_agg(jsonb_build_array(n.source, n.scope, n.key)), '[]')
                FROM unnest(once_sources, once_scopes, once_keys) AS n (source, scope, key)
                LEFT JOIN ledger.once_keys AS e USING (source, scope, key)
                WHERE e.key IS NOT NULL OR EXISTS (
                    SELECT FROM ledger.erased AS x
                    WHERE x.hash = ledger.erased_hash('once', n.source, n.scope, n.key)
                )
            ),
            'letters', (
                SELECT coalesce(jsonb_agg(jsonb_build_array(n.scope, n.id)), '[]')
                FROM unnest(letter_scopes, letter_ids) AS n (scope, id)
                JOIN ledger.dead_letters AS e USING (scope, id)
            )
        );
    END;
END
$$;
REVOKE ALL ON FUNCTION ledger.commit_group FROM PUBLIC;

-- The later state wins whatever the order of arrival. Every row is locked here, the loser's too.
-- Takes an array of states, each with every column by its name, times as Unix seconds.
CREATE FUNCTION ledger.apply_subscriptions(states jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO shared.subscriptions AS s (
        scope, subscription_id, customer_id, livemode, status, plan, period_start, period_end,
        terminal, created_seconds, type_rank, status_rank, event_id
    )
    SELECT
        scope, subscription_id, customer_id, livemode, status, plan, to_timestamp(period_start),
        to_timestamp(period_end), terminal, created_seconds, type_rank, status_rank, event_id
    FROM jsonb_to_recordset(states -> 'latest') AS n (
        scope text, subscription_id text, customer_id text, livemode boolean, status text,
        plan text, period_start float8, period_end float8, terminal boolean,
        created_seconds bigint, type_rank smallint, status_rank smallint, event_id text
    )
    ON CONFLICT (scope, subscription_id) DO UPDATE SET
        customer_id = excluded.customer_id,
        livemode = excluded.livemode,
        status = excluded.status,
        plan = excluded.plan,
        period_start = excluded.period_start,
        period_end = excluded.period_end,
        terminal = excluded.terminal,
        created_seconds = excluded.created_seconds,
        type_rank = excluded.type_rank,
        status_rank = excluded.status_rank,
        event_id = excluded.event_id,
        tied = NOT excluded.terminal AND excluded.created_seconds = s.created_seconds,
        changed_at = now()
    -- Ids are compared by code point, as StateOrder does it, whatever the database's collation.
    WHERE (excluded.terminal, excluded.created_seconds, excluded.type_rank, excluded.status_rank,
           excluded.event_id COLLATE "C")
        > (s.terminal, s.created_seconds, s.type_rank, s.status_rank, s.event_id COLLATE "C");

    -- Two events of one second: their order is a guess until Stripe is asked. An end is none.
    UPDATE shared.subscriptions AS s SET tied = true
    FROM jsonb_to_recordset(states -> 'unended')
        AS n (scope text, subscription_id text, created_seconds bigint, event_id text)
    WHERE s.scope = n.scope AND s.subscription_id = n.subscription_id
        AND s.created_seconds = n.created_seconds AND s.event_id <> n.event_id
        AND NOT s.terminal AND NOT s.tied;
END
$$;
REVOKE ALL ON FUNCTION ledger.apply_subscriptions FROM PUBLIC;
