-- name: commit_group
SELECT group_no, known FROM ledger.commit_group(
    %s, %s, %s,
    %b::text[], %b::text[], %b::text[], %b::bigint[],
    %b::text[], %b::text[], %b::text[],
    %b::text[], %b::text[], %b::text[], %b::text[], %b::bytea[],
    %b::bytea, %b::text[], %b::text[], %b::bytea[],
    %s::jsonb, %s::jsonb, %s::jsonb
);
