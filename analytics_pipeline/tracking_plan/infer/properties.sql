-- Properties of each kind of event: how often they are there, of which type, how manifold.
select
    e.event_name,
    p.key as name,
    p.type,
    count(*) filter (where p.value <> '""') as events,
    count(*) filter (where p.value = '""') as empty,
    approx_count_distinct(p.value) as distinct_values
from counted as e, json_each(e.properties) as p
where p.type <> 'NULL'
group by all
