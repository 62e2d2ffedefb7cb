with events as materialized (
    {events}
),
active as (
    select distinct person_key, {value} as value, {period} as period_start from events
    where person_key is not null
)
select
    p.period_start, v.value, count(a.person_key) as persons,
    ops.day_start((p.period_start + %(step)s::interval)::date, %(zone)s::text) > %(as_of)s as is_partial
from (
    select g.at::date as period_start
    from generate_series(%(first_period)s::timestamp, %(last_period)s::timestamp, %(step)s::interval) as g (at)
) as p
cross join (select distinct value from active union select 'all' where not %(is_divided)s) as v
left join active as a on p.period_start = a.period_start and v.value = a.value
group by p.period_start, v.value
order by v.value collate "C", p.period_start
