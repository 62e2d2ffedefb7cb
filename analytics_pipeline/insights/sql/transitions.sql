with nodes as materialized (
    {sequences}
),
steps as (
    select
        walker, node, occurred_at,
        lag(node) over w as before,
        lag(occurred_at) over w as before_at,
        lead(event_id) over w is null as is_last
    from nodes
    window w as (partition by sequence order by occurred_at, event_id)
),
links as (
    select coalesce(before, 'path_start') as source, node as target, walker, extract(epoch from occurred_at - before_at) as seconds
    from steps
    union all
    select node, 'path_end', walker, null from steps where is_last
)
select
    source, target, count(*) as transitions, count(distinct walker) as persons, avg(seconds) as mean_seconds
from links
group by source, target
order by transitions desc, source collate "C", target collate "C"
