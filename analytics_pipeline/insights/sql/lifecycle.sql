with events as materialized (
    {events}
),
active as (
    select distinct person_key, {period} as period_start from events
    where person_key is not null
),
firsts as (
    select person_key, min(period_start) as first_period from active group by person_key
),
periods as (
    select
        g.at::date as period_start,
        (g.at - %(step)s::interval)::date as previous_start,
        ops.day_start((g.at + %(step)s::interval)::date, %(zone)s::text) > %(as_of)s as is_partial
    from generate_series(%(first_period)s::timestamp, %(last_period)s::timestamp, %(step)s::interval) as g (at)
),
states as (
    select
        p.period_start,
        case
            when f.first_period = p.period_start then 'new'
            when b.person_key is not null then 'returning'
            else 'resurrecting'
        end as status
    from periods as p
    inner join active as a on p.period_start = a.period_start
    inner join firsts as f on a.person_key = f.person_key
    left join active as b on p.previous_start = b.period_start and a.person_key = b.person_key
    union all
    select p.period_start, 'dormant'
    from periods as p
    inner join active as b on p.previous_start = b.period_start
    left join active as a on p.period_start = a.period_start and b.person_key = a.person_key
    where a.person_key is null and not p.is_partial
)
select
    p.period_start,
    count(*) filter (where s.status = 'new') as new,
    count(*) filter (where s.status = 'returning') as returning,
    count(*) filter (where s.status = 'resurrecting') as resurrecting,
    case when not p.is_partial then count(*) filter (where s.status = 'dormant') end as dormant,
    p.is_partial
from periods as p
left join states as s on p.period_start = s.period_start
group by p.period_start, p.is_partial
order by p.period_start
