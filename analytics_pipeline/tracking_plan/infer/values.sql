-- All values of properties that have few: `manifold` names those that have more.
select e.event_name, p.key as name, p.value ->> '$' as value, count(*) as events
from counted as e, json_each(e.properties) as p
where
    p.type = 'VARCHAR' and p.value <> '""'
    and not exists (select 1 from manifold as m where m.event_name = e.event_name and m.name = p.key)
group by all
