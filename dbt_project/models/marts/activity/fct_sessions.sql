{{ incremental_by('session', indexes=[{'columns': ['person_key', 'session_key']}, {'columns': ['day']}]) }}

{%- set conversion = plan_row()['conversion_sql'] %}

with events as (
    select * from {{ events_of_run('session') }}
    where session_key is not null
),

sessions as (
    select
        session_key,
        person_key,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        count(*) as events,
        count(*) filter (where is_page) as page_views,
        coalesce(bool_or({{ conversion }}), false) as converted,
        sum(amount) filter (where {{ conversion }}) as value,
        {{ first_dimension_values('occurred_at, event_id') }} as dimensions
    from events
    group by session_key, person_key
)

select
    session_key,
    person_key,
    {{ local_day('started_at') }} as day,
    started_at,
    ended_at,
    extract(epoch from ended_at - started_at)::numeric as duration_seconds,
    events,
    page_views,
    page_views = 1 and not converted as is_bounce,
    converted,
    value,
    dimensions
from sessions
