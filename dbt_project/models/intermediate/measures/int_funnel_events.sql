{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    touched='person',
    indexes=[{'columns': ['person_key', 'funnel', 'step', 'occurred_at']}]
) }}

with events as (
    select
        *,
        jsonb_strip_nulls(jsonb_build_object(
            {%- for d in plan_dimensions() %}'{{ d['dimension'] }}', {{ d['expression_sql'] }}::text{{ ', ' if not loop.last }}{% endfor -%}
        )) as dimensions
    from {{ ref('int_events') }}
    where person_key is not null and {{ where_touched('person') }}
)

{% for s in plan_rows('funnel_steps', 'funnel, step') %}
    select
        '{{ s['funnel'] }}' as funnel,
        {{ s['step'] | int }} as step,
        person_key,
        occurred_at,
        day,
        event_id,
        dimensions
    from events
    where {{ s['condition_sql'] }}
    union all
{% endfor %}
select null::text as funnel, null::int as step, person_key, occurred_at, day, event_id, dimensions
from events
where false
