{{ incremental_by('event', indexes=[{'columns': ['person_key', 'conversion', 'occurred_at', 'day']}, {'columns': ['day']}]) }}

with events as (
    select *
    from {{ events_of_run('event') }}
    where person_key is not null
)

{% for c in plan_rows('conversions', 'conversion') %}
    select
        '{{ c['conversion'] }}' as conversion,
        person_key,
        day,
        occurred_at,
        event_id,
        coalesce({{ c['opportunity_sql'] }}, false) as is_opportunity,
        coalesce({{ c['conversion_sql'] }}, false) as is_conversion,
        {{ '(' ~ c['match_sql'] ~ ')::text' if c['match_sql'] else "''" }} as match_value,
        amount,
        jsonb_strip_nulls(jsonb_build_object(
            {%- for d in plan_dimensions() %}'{{ d['dimension'] }}', {{ d['expression_sql'] }}::text{{ ', ' if not loop.last }}{% endfor -%}
        )) as dimensions
    from events
    where ({{ c['opportunity_sql'] }}) or ({{ c['conversion_sql'] }})
    union all
{% endfor %}
select
    null::text as conversion,
    person_key,
    day,
    occurred_at,
    event_id,
    false as is_opportunity,
    false as is_conversion,
    null::text as match_value,
    amount,
    null::jsonb as dimensions
from events
where false
