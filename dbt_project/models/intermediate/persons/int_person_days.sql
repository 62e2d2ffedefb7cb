{{ incremental_by('person_day', indexes=[{'columns': ['person_key', 'day']}, {'columns': ['day']}]) }}

{%- set plan = plan_row() %}

{#- A day of which other persons are touched too is read whole, but only the touched pairs are written. -#}
with events as (
    select *
    from ({{ events_of_person_days() }}) as e
    where person_key is not null and {{ 'true' if is_whole() else is_touched('person_day', 'e') }}
)

select
    e.person_key,
    e.day,
    min(e.occurred_at) as first_at,
    max(e.occurred_at) as last_at,
    count(*) as events,
    count(*) filter (where e.is_activity) as active_events,
    array_agg(distinct e.event_name) filter (where e.is_activity) as kinds,
    count(*) filter (where {{ plan['revenue_sql'] }}) as purchases,
    coalesce(sum(e.amount) filter (where {{ plan['revenue_sql'] }}), 0) as revenue,
    coalesce(sum(e.amount) filter (where {{ plan['refund_sql'] }}), 0) as refunds,
    {{ first_dimension_values('e.occurred_at, e.event_id') }} as dimensions
from events as e
group by e.person_key, e.day
