-- A person who is active on a day counts until the window has passed, or until they are active again: one more, one less.
with events as materialized (
    {events}
),
active as (
    select distinct person_key, day, {value} as value from events
    where person_key is not null
),
next_active as (
    select value, day, lead(day) over (partition by value, person_key order by day) as next_day from active
),
steps as (
    select value, day, 1 as persons from next_active
    union all
    select value, least(day + %(window_days)s, next_day), -1 from next_active
    union all
    select v.value, g.at::date, 0
    from (select distinct value from active union select 'all' where not %(is_divided)s) as v
    cross join generate_series(%(first_day)s::timestamp, %(last_day)s::timestamp, interval '1 day') as g (at)
),
daily as (
    select value, day, sum(sum(persons)) over (partition by value order by day) as persons from steps group by value, day
)
select
    day as period_start, value, persons::bigint as persons,
    ops.day_start(day + 1, %(zone)s::text) > %(as_of)s as is_partial
from daily
where day between %(first_day)s and %(last_day)s
order by value collate "C", day
