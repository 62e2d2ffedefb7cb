{{ incremental_by('persons', indexes=[{'columns': ['day']}]) }}

{%- set plan = plan_row() %}

with events as (
    {{ touched_rows(ref('int_events'), 'persons') }}
)

select
    day,
    coalesce(country, '(none)') as country,
    coalesce(region, '(none)') as region,
    coalesce(city, '(none)') as city,
    count(*) as events,
    count(distinct person_key) filter (where is_activity) as persons,
    count(distinct session_key || person_key) as sessions,
    coalesce(sum(amount) filter (where {{ plan['revenue_sql'] }}), 0)
    - coalesce(sum(amount) filter (where {{ plan['refund_sql'] }}), 0) as net_revenue,
    {{ day_start('day + 1') }} > {{ as_of() }} as is_partial
from events
group by 1, 2, 3, 4
