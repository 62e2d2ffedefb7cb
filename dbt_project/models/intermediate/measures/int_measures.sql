{{ config(materialized='incremental', incremental_strategy='touched', touched='day', indexes=[{'columns': ['day']}]) }}

{%- set event_measures = plan_measures('events') %}
{%- set session_measures = plan_measures('sessions') %}

with buckets as (
    select
        dimension,
        raw_value,
        dimension_value
    from {{ ref('dim_dimension_values') }}
),

events as (
    select
        e.*,
        b.dimension,
        b.dimension_value
    from {{ ref('int_events') }} as e
    cross join lateral {{ event_dimensions() }}
    inner join buckets as b on d.dimension = b.dimension and d.raw_value = b.raw_value
    where {{ where_touched('day') }}
),

sessions as (
    select
        s.*,
        b.dimension,
        b.dimension_value
    from {{ ref('fct_sessions') }} as s
    cross join lateral {{ kept_dimensions('s.dimensions') }}
    inner join buckets as b on d.dimension = b.dimension and d.raw_value = b.raw_value
    where {{ where_touched('day') }}
),

event_totals as (
    select
        day,
        dimension,
        dimension_value
        {%- for m in event_measures %},
        ({{ m['expression_sql'] }})::numeric as "{{ m['measure'] }}"
        {%- endfor %}
    from events
    group by day, dimension, dimension_value
),

session_totals as (
    select
        day,
        dimension,
        dimension_value
        {%- for m in session_measures %},
        ({{ m['expression_sql'] }})::numeric as "{{ m['measure'] }}"
        {%- endfor %}
    from sessions
    group by day, dimension, dimension_value
)

select
    t.day,
    t.dimension,
    t.dimension_value,
    m.measure,
    m.value
from event_totals as t
cross join lateral (
    values (null::text, null::numeric)
    {%- for m in event_measures %}, ('{{ m['measure'] }}', t."{{ m['measure'] }}"){% endfor %}
) as m (measure, value)
where m.value <> 0

union all

select
    t.day,
    t.dimension,
    t.dimension_value,
    m.measure,
    m.value
from session_totals as t
cross join lateral (
    values (null::text, null::numeric)
    {%- for m in session_measures %}, ('{{ m['measure'] }}', t."{{ m['measure'] }}"){% endfor %}
) as m (measure, value)
where m.value <> 0
