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
    increments jsonb, subscriptions jsonb, facts jsonb DEFAULT NULL,
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
        IF facts IS NOT NULL THEN
            PERFORM ledger.apply_facts(clock_timestamp(), facts);
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
