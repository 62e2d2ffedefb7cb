{{ incremental_by('lifecycle', indexes=[{'columns': ['grain', 'period_start']}]) }}

with days as (
    select g.at::date as day
    from (select min(first_active_day) as first_day from {{ ref('dim_persons') }}) as f
    cross join lateral generate_series(f.first_day::timestamp, {{ as_of_day() }}::timestamp, interval '1 day') as g (at)
),

every_period as (
    {{ calendar_periods('select day from days', ['week', 'month']) }}
),

periods as (
    select * from every_period as p
    where {{ 'true' if is_whole() else is_touched('lifecycle', 'p') }}
),

persons as (
    select
        p.grain,
        p.period_start,
        d.person_key,
        count(*) as active_days
    from periods as p
    inner join {{ ref('int_person_days') }} as d on d.day >= p.period_start and d.day < p.next_start and d.active_events > 0
    group by p.grain, p.period_start, d.person_key
),

histogram as (
    select
        grain,
        period_start,
        active_days,
        count(*) as persons
    from persons
    group by grain, period_start, active_days
)

select
    p.grain,
    p.period_start,
    k.active_days::integer as active_days,
    coalesce(h.persons, 0) as persons,
    coalesce(sum(h.persons) over (
        partition by p.grain, p.period_start order by k.active_days desc
    ), 0)::bigint as persons_or_more,
    {{ day_start('p.next_start') }} > {{ as_of() }} as is_partial
from periods as p
cross join lateral generate_series(1, p.next_start - p.period_start) as k (active_days)
left join histogram as h on p.grain = h.grain and p.period_start = h.period_start and k.active_days = h.active_days
