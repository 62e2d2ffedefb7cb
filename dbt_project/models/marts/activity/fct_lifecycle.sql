{{ incremental_by('lifecycle', indexes=[{'columns': ['grain', 'period_start']}]) }}

with days as (
    select g.at::date as day
    from (select min(first_active_day) as first_day from {{ ref('dim_persons') }}) as f
    cross join lateral generate_series(f.first_day::timestamp, {{ as_of_day() }}::timestamp, interval '1 day') as g (at)
),

every_period as (
    {{ calendar_periods('select day from days', ['day', 'week', 'month']) }}
),

periods as (
    select
        *,
        (period_start - case grain when 'day' then interval '1 day' when 'week' then interval '7 days' else interval '1 month' end)::date
            as previous_start,
        {{ day_start('next_start') }} <= {{ as_of() }} as is_over
    from every_period as p
    where {{ 'true' if is_whole() else is_touched('lifecycle', 'p') }}
),

now_active as (
    select distinct
        p.grain,
        p.period_start,
        d.person_key
    from periods as p
    inner join {{ ref('int_person_days') }} as d on d.day >= p.period_start and d.day < p.next_start and d.active_events > 0
),

before_active as (
    select distinct
        p.grain,
        p.period_start,
        d.person_key
    from periods as p
    inner join {{ ref('int_person_days') }} as d on d.day >= p.previous_start and d.day < p.period_start and d.active_events > 0
),

states as (
    select
        coalesce(n.grain, b.grain) as grain,
        coalesce(n.period_start, b.period_start) as period_start,
        case
            when n.person_key is null then 'dormant'
            when b.person_key is not null then 'returning'
            when f.first_active_day >= n.period_start then 'new'
            else 'resurrecting'
        end as status
    from now_active as n
    full join before_active as b on n.grain = b.grain and n.period_start = b.period_start and n.person_key = b.person_key
    left join {{ ref('dim_persons') }} as f on n.person_key = f.person_key and b.person_key is null
),

counts as (
    select
        grain,
        period_start,
        status,
        count(*) as persons
    from states
    group by grain, period_start, status
)

select
    p.grain,
    p.period_start,
    s.status,
    coalesce(c.persons, 0) as persons,
    not p.is_over as is_partial
from periods as p
cross join (values ('new'), ('returning'), ('resurrecting'), ('dormant')) as s (status)
left join counts as c on p.grain = c.grain and p.period_start = c.period_start and s.status = c.status
where p.is_over or s.status <> 'dormant'
