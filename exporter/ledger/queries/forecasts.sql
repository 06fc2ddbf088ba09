-- name: judge_forecasts
SELECT ledger.judge_forecasts(clock_timestamp(), %(days_ahead)s, %(most)s);

-- name: write_forecast_gauges
WITH summed AS (
    SELECT
        jsonb_build_object('meter', meter, 'days_ahead', days_ahead::text) AS labels,
        sum(periods) AS periods, sum(error) / sum(periods) AS error
    FROM ledger.forecast_errors
    GROUP BY meter, days_ahead
),
gauges AS (
    SELECT %(error_metric)s AS metric, labels, round(error * 1000000) AS value FROM summed
    UNION ALL
    SELECT %(periods_metric)s, labels, periods FROM summed
),
gone AS (
    DELETE FROM ledger.gauges
    WHERE metric IN (%(error_metric)s, %(periods_metric)s)
        AND (metric, labels) NOT IN (SELECT metric, labels FROM gauges)
)
INSERT INTO ledger.gauges AS g (metric, labels, value)
SELECT metric, labels, value::bigint FROM gauges
ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, written_at = now();
