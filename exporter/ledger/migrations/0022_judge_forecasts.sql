-- How usage goes on, and how far off what was foretold of it was.

-- What a meter was used a day, on average of the last seven days (of the period, one at least), and
-- how much one day differs from the next; NULL in the first day of a period.
CREATE FUNCTION ledger.daily_use(
    at timestamptz, of_organization text, of_meter text, period_start timestamptz,
    OUT daily numeric, OUT spread numeric
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    days integer := least(7, extract(epoch FROM at - period_start)::bigint / 86400);
BEGIN
    IF days < 1 THEN
        RETURN;
    END IF;
    SELECT avg(coalesce(d.used, 0)), coalesce(stddev_samp(coalesce(d.used, 0)), 0)
    INTO daily, spread
    FROM generate_series(1, days) AS day
    LEFT JOIN (
        SELECT ceil(extract(epoch FROM at - h.hour) / 86400)::integer AS day,
            sum(h.quantity) AS used
        FROM shared.usage_hours AS h
        WHERE h.organization_id = of_organization AND h.meter = of_meter
            AND h.hour >= at - make_interval(hours => 24 * days) AND h.hour < at
        GROUP BY 1
    ) AS d USING (day);
END
$$;

-- When the quota is used up if usage goes on as in the last seven days (of the period, one at
-- least), and how many days that may be off, by how much one day differs from the next; NULL if
-- there was no use.
CREATE OR REPLACE FUNCTION ledger.predict_exhaustion(
    at timestamptz, figures shared.usage, OUT exhausted_at timestamptz, OUT days_off numeric
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    daily numeric;
    spread numeric;
    left_days numeric;
BEGIN
    IF figures.quota IS NULL OR figures.used > figures.quota THEN
        RETURN;
    END IF;
    SELECT d.daily, d.spread INTO daily, spread FROM ledger.daily_use(
        at, figures.organization_id, figures.meter, figures.period_start
    ) AS d;
    IF daily > 0 THEN
        left_days := (figures.quota - figures.used) / daily;
        exhausted_at := at + make_interval(secs => least(left_days, 36500)::float8 * 86400);
        days_off := round(spread * sqrt(left_days) / daily, 1);
    END IF;
END
$$;

-- How far off forecasts were that were made so many days before the end of a period: the sum, over
-- periods that ended on a day (UTC), of the part of what was used at last by which it was missed.
CREATE TABLE ledger.forecast_errors (
    ended_on date NOT NULL,
    meter text NOT NULL,
    days_ahead smallint NOT NULL,
    periods integer NOT NULL,
    error numeric NOT NULL,
    PRIMARY KEY (ended_on, meter, days_ahead)
);

-- The days (UTC) that were judged, also those on which no period ended.
CREATE TABLE ledger.forecast_days (
    ended_on date PRIMARY KEY
);

-- When the period before the current one began; NULL if that one didn't end when this one began, as
-- a subscription that begins, ends or changes its anchor in between cuts it off.
ALTER TABLE shared.organizations ADD COLUMN previous_start timestamptz;

CREATE FUNCTION ledger.note_previous_start() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.previous_start := CASE WHEN NEW.period_start = OLD.period_end THEN OLD.period_start END;
    RETURN NEW;
END
$$;
CREATE TRIGGER note_previous_start BEFORE UPDATE OF period_start ON shared.organizations
FOR EACH ROW WHEN (NEW.period_start <> OLD.period_start)
EXECUTE FUNCTION ledger.note_previous_start();

-- Judge the periods that ended on one of the last three days which have been over for six hours, so
-- that what came late is in, and which weren't judged; of a day those of `most` organisations that
-- are drawn by lot. What was foretold then follows from the hours that are kept. Days are forgotten
-- after 35, within which every month has ended once.
CREATE FUNCTION ledger.judge_forecasts(at timestamptz, days_ahead integer[], most integer)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today date := (at - interval '6 hours') AT TIME ZONE 'UTC';
BEGIN
    DELETE FROM ledger.forecast_errors AS e WHERE e.ended_on < today - 35;
    DELETE FROM ledger.forecast_days AS j WHERE j.ended_on < today - 35;
    WITH due AS (
        INSERT INTO ledger.forecast_days (ended_on)
        SELECT today - back FROM generate_series(1, 3) AS back
        ON CONFLICT DO NOTHING
        RETURNING ended_on
    )
    INSERT INTO ledger.forecast_errors (ended_on, meter, days_ahead, periods, error)
    SELECT f.day, f.meter, f.days, count(*), sum(abs(f.foretold - f.used) / f.used)
    FROM (
        SELECT d.day, u.meter, a.days, h.used, h.used - l.used + n.daily * a.days AS foretold
        FROM (SELECT ended_on AS day FROM due) AS d
        CROSS JOIN LATERAL (
            SELECT o.organization_id, o.previous_start AS began, o.period_start AS ended
            FROM shared.organizations AS o
            WHERE o.previous_start IS NOT NULL
                AND o.period_start >= d.day::timestamp AT TIME ZONE 'UTC'
                AND o.period_start < (d.day + 1)::timestamp AT TIME ZONE 'UTC'
            ORDER BY hashtextextended(o.organization_id, d.day - date '2000-01-01') LIMIT most
        ) AS p
        JOIN shared.usage AS u ON u.organization_id = p.organization_id AND u.quota > 0
        CROSS JOIN LATERAL (
            SELECT sum(h.quantity) AS used FROM shared.usage_hours AS h
            WHERE h.organization_id = p.organization_id AND h.meter = u.meter
                AND h.hour >= p.began AND h.hour < p.ended
        ) AS h
        CROSS JOIN unnest(judge_forecasts.days_ahead) AS a (days)
        CROSS JOIN LATERAL ledger.daily_use(
            p.ended - make_interval(hours => 24 * a.days), p.organization_id, u.meter, p.began
        ) AS n
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(h.quantity), 0) AS used FROM shared.usage_hours AS h
            WHERE h.organization_id = p.organization_id AND h.meter = u.meter
                AND h.hour >= p.ended - make_interval(hours => 24 * a.days) AND h.hour < p.ended
        ) AS l
        WHERE h.used > 0 AND n.daily > 0
    ) AS f
    GROUP BY f.day, f.meter, f.days;
END
$$;

-- Those that are near their quotas or over them: few, and found without looking at the others. Usage
-- that stays on its level doesn't touch it.
CREATE INDEX usage_near_quota ON shared.usage (meter) WHERE level > 0;
