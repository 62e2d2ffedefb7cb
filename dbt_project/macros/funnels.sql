{#- Which steps an event can serve (step k is bit k - 1), and which exclusions it meets. The conditions are compiled SQL. #}
{% macro condition_bits(conditions) -%}
    (0
        {%- for condition in conditions %}
        + case when {{ condition }} then {{ 2 ** loop.index0 }} else 0 end
        {%- endfor -%}
    )::integer
{%- endmacro %}

{#- Numbers as an SQL array. #}
{% macro integers(numbers) -%}
    array[{{ numbers | join(', ') }}]::integer[]
{%- endmacro %}

{#-
Rows (person_key, entry_day, depth, entered_at, reached_at, reached, reached_days) of a relation of funnel events with the
columns person_key, day, occurred_at, event_id, steps, excluded: the deepest attempt of each person and entry day. reached has
the ids of the events that serve the steps.
-#}
{% macro deepest_attempts(relation, step_count, step_order, window, exclusions) -%}
    select
        w.person_key,
        a.entry_day,
        cardinality(a.reached) as depth,
        a.reached_at[1] as entered_at,
        a.reached_at,
        (select array_agg(w.event_ids[p.at] order by p.step) from unnest(a.reached) with ordinality as p (at, step)) as reached,
        (select array_agg(w.days[p.at] order by p.step) from unnest(a.reached) with ordinality as p (at, step)) as reached_days
    from (
        select
            person_key,
            array_agg(occurred_at order by {{ walk_order(step_order) }}) as times,
            array_agg(steps order by {{ walk_order(step_order) }}) as steps,
            array_agg(excluded order by {{ walk_order(step_order) }}) as excluded,
            array_agg(day order by {{ walk_order(step_order) }}) as days,
            array_agg(event_id order by {{ walk_order(step_order) }}) as event_ids
        from {{ relation }}
        group by person_key
        having bool_or({{ 'steps <> 0' if step_order == 'unordered' else 'steps & 1 = 1' }})
    ) as w
    cross join lateral ops.funnel_attempts(
        w.times,
        w.days,
        w.steps,
        w.excluded,
        {{ step_count }},
        '{{ step_order }}',
        {{ window }},
        {{ integers(exclusions | map(attribute='from_step') | map('int') | list) }},
        {{ integers(exclusions | map(attribute='to_step') | map('int') | list) }}
    ) as a
{%- endmacro %}

{% macro walk_order(step_order) -%}
    {%- if step_order == 'strict' -%}
        occurred_at, case when steps = 0 then 32 else length(ltrim((steps & -steps)::bit(32)::text, '0')) end, event_id
    {%- else -%}
        occurred_at, event_id
    {%- endif -%}
{%- endmacro %}
