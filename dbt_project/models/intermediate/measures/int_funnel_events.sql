{{ incremental_by('event', indexes=[{'columns': ['person_key', 'funnel', 'day', 'occurred_at']}, {'columns': ['day']}]) }}

{#- Strict funnels look at all activity of a person and at nothing else, the others at the events of their steps and exclusions. #}
with events as (
    select
        *,
        jsonb_strip_nulls(jsonb_build_object(
            {%- for d in plan_dimensions() %}'{{ d['dimension'] }}', {{ d['expression_sql'] }}::text{{ ', ' if not loop.last }}{% endfor -%}
        )) as dimensions
    from {{ events_of_run('event') }}
    where person_key is not null
)

{% for f in plan_rows('funnels', 'funnel') %}
    {%- set steps, exclusions = [], [] %}
    {%- for s in plan_rows('funnel_steps', 'step') if s['funnel'] == f['funnel'] %}{% do steps.append(s['condition_sql']) %}{% endfor %}
    {%- for x in plan_rows('funnel_exclusions', 'position') if x['funnel'] == f['funnel'] %}{% do exclusions.append(x['condition_sql']) %}{% endfor %}
    select
        '{{ f['funnel'] }}' as funnel,
        person_key,
        day,
        occurred_at,
        event_id,
        steps,
        excluded,
        case when steps > 0 then dimensions end as dimensions
    from (
        select
            *,
            {{ condition_bits(steps) }} as steps,
            {{ condition_bits(exclusions) }} as excluded
        from events
    ) as e
    where {{ 'is_activity' if f['step_order'] == 'strict' else 'steps > 0 or excluded > 0' }}
    union all
{% endfor %}
select null::text as funnel, person_key, day, occurred_at, event_id, 0 as steps, 0 as excluded, dimensions
from events
where false
