with events as materialized (
    {events}
),
counted as (
    select
        person_key,
        case %(grain)s
            when 'month' then (
                (extract(year from period_start) - extract(year from %(first_period)s::date)) * 12
                + extract(month from period_start) - extract(month from %(first_period)s::date)
            )::integer
            when 'week' then (period_start - %(first_period)s::date) / 7
            else period_start - %(first_period)s::date
        end / %(every)s as number,
        count(*) as events
    from (select person_key, {period} as period_start from events where person_key is not null) as e
    group by 1, 2
),
persons as (
    select person_key, count(*) as periods from counted
    where events between %(fewest)s and %(most)s
    group by person_key
)
select
    k.periods::integer as periods,
    count(p.person_key) as persons
from generate_series(1, %(total)s) as k (periods)
left join persons as p on case when %(cumulative)s then p.periods >= k.periods else p.periods = k.periods end
group by k.periods
order by k.periods
