-- name: close_hours
SELECT ledger.close_hours(clock_timestamp(), %(most)s);

-- name: judge_hours
SELECT ledger.judge_hours(clock_timestamp(), %(most)s);

-- name: judge_costs
SELECT ledger.judge_costs(
    clock_timestamp(), clock_timestamp() - %(seconds)s * interval '1 second'
);

-- name: judge_quotas
SELECT ledger.judge_quotas(
    clock_timestamp(), clock_timestamp() - %(seconds)s * interval '1 second'
);

-- name: judge_silence
SELECT ledger.judge_silence(clock_timestamp());

-- name: resolve_stale
SELECT ledger.resolve_stale_alerts(clock_timestamp(), 'exporter');
