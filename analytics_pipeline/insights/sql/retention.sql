with plan as (
    select %(zone)s::text as zone, (%(week_start)s = 'sunday')::integer as shift
),
events as materialized (
    {events}
),
marked as (
    select
        e.person_key, e.occurred_at, ({start}) as is_start, ({back}) as is_return,
        case %(grain)s
            when 'week' then date_trunc('week', e.day + p.shift)::date - p.shift
            else date_trunc(%(grain)s, e.day)::date
        end as period_start
    from events as e
    cross join plan as p
    where e.person_key is not null and (({start}) or ({back}))
),
starts as (
    select person_key, period_start as cohort_start, min(occurred_at) as started_at from marked
    where is_start
    group by person_key, period_start
),
cohorts as (
    select s.* from starts as s
    where
        s.cohort_start between %(first_period)s and %(last_period)s
        and (
            not %(first_time)s
            or not exists (select 1 from starts as b where b.person_key = s.person_key and b.cohort_start < s.cohort_start)
        )
),
returned as (
    select distinct person_key, period_start, case when %(rolling)s then occurred_at end as occurred_at from marked
    where is_return
),
returns as (
    select distinct c.person_key, c.cohort_start, r.period
    from cohorts as c
    inner join returned as m on c.person_key = m.person_key and m.period_start >= c.cohort_start
    cross join lateral (
        select case
            when %(rolling)s then floor(extract(epoch from m.occurred_at - c.started_at) / 86400)::integer
            when %(grain)s = 'month' then (
                (extract(year from m.period_start) - extract(year from c.cohort_start)) * 12
                + extract(month from m.period_start) - extract(month from c.cohort_start)
            )::integer
            when %(grain)s = 'week' then (m.period_start - c.cohort_start) / 7
            else m.period_start - c.cohort_start
        end as period
    ) as r
    where r.period > 0
),
properties as (
    {properties}
),
divided as (
    select c.*, 'all' as value from cohorts as c where not %(is_divided)s
    union all
    select c.*, coalesce(p.value, '(none)') from cohorts as c
    left join properties as p on c.person_key = p.person_key
    where %(is_divided)s
),
sizes as (
    select value, cohort_start, count(*) as persons from divided group by value, cohort_start
),
counts as (
    select d.value, d.cohort_start, r.period, count(*) as persons from divided as d
    inner join returns as r using (person_key, cohort_start)
    where r.period <= %(periods)s
    group by d.value, d.cohort_start, r.period
),
latest as (
    select d.value, d.cohort_start, l.period, count(*) as persons from divided as d
    inner join (
        select person_key, cohort_start, least(max(period), %(periods)s) as period from returns group by person_key, cohort_start
    ) as l using (person_key, cohort_start)
    group by d.value, d.cohort_start, l.period
),
cells as (
    select
        v.value, c.at::date as cohort_start, k.period,
        k.period > 0 and case
            when %(rolling)s then
                ops.day_start((c.at + %(step)s::interval)::date, p.zone) + (k.period + 1) * interval '24 hours' > %(as_of)s
            else ops.day_start((c.at + (k.period + 1) * %(step)s::interval)::date, p.zone) > %(as_of)s
        end as is_open
    from (select distinct value from divided union select 'all' where not %(is_divided)s) as v
    cross join generate_series(%(first_period)s::timestamp, %(last_period)s::timestamp, %(step)s::interval) as c (at)
    cross join generate_series(0, %(periods)s) as k (period)
    cross join plan as p
)
select
    c.value, c.cohort_start, c.period,
    case when c.period = 0 then coalesce(z.persons, 0) when not c.is_open then coalesce(n.persons, 0) end as persons,
    case
        when c.period = 0 then z.persons::numeric / nullif(z.persons, 0)
        when not c.is_open then coalesce(n.persons, 0)::numeric / nullif(z.persons, 0)
    end as rate,
    case
        when c.period = 0 then coalesce(z.persons, 0)
        when not c.is_open then coalesce(sum(l.persons) over (partition by c.value, c.cohort_start order by c.period desc), 0)
    end::bigint as persons_on_or_after,
    c.is_open or (
        c.period = 0 and ops.day_start((c.cohort_start + %(step)s::interval)::date, (select p.zone from plan as p)) > %(as_of)s
    ) as is_partial
from cells as c
left join sizes as z using (value, cohort_start)
left join counts as n using (value, cohort_start, period)
left join latest as l using (value, cohort_start, period)
order by c.value collate "C", c.cohort_start, c.period
