with nodes as materialized (
    {sequences}
),
sequences as (
    select
        sequence,
        array_agg(node order by occurred_at, event_id) as path,
        extract(epoch from max(occurred_at) - min(occurred_at)) as seconds
    from nodes
    group by sequence
)
select
    path, count(*) as entities, count(*)::numeric / sum(count(*)) over () as share, avg(seconds) as mean_seconds,
    sum(count(*)) over ()::bigint as total
from sequences
group by path
order by entities desc, path collate "C"
limit %(limit)s
