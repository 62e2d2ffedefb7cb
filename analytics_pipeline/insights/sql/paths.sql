with nodes as materialized (
    {sequences}
),
compared as (
    select
        *,
        lag(node) over (partition by sequence order by occurred_at, event_id) as before
    from nodes
),
numbered as (
    select
        *,
        row_number() over (partition by sequence order by occurred_at, event_id) as place
    from compared
    where not %(collapse)s or node is distinct from before
),
anchored as (
    select
        *,
        min(place) filter (where node = %(from_event)s::text) over (partition by sequence) as from_place,
        min(place) filter (where node = %(to_event)s::text) over (partition by sequence) as to_place
    from numbered
),
shown as (
    select
        walker, sequence, node, occurred_at,
        row_number() over (partition by sequence order by place) as position
    from anchored
    where case
        when %(from_event)s::text is not null then place >= from_place and place < from_place + %(steps)s
        when %(to_event)s::text is not null then place <= to_place and place > to_place - %(steps)s
        else place <= %(steps)s
    end
),
links as (
    select
        a.position, a.position || '_' || a.node as source, b.position || '_' || b.node as target, a.walker,
        extract(epoch from b.occurred_at - a.occurred_at) as seconds
    from shown as a
    inner join shown as b on a.sequence = b.sequence and b.position = a.position + 1
)
select
    source, target, count(*) as transitions, count(distinct walker) as persons, avg(seconds) as mean_seconds
from links
group by position, source, target
order by position, transitions desc, source collate "C", target collate "C"
