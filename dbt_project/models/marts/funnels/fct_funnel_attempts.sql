-- depends_on: {{ ref('int_touched_entries') }}
{{ incremental_by('attempt', indexes=[{'columns': ['person_key', 'funnel', 'entry_day']}, {'columns': ['funnel', 'entry_day']}]) }}

{%- set whole = is_whole() %}
{%- set events, entries = ref('int_funnel_events'), ref('int_touched_entries') %}

{% for f in plan_rows('funnels', 'funnel') %}
    {%- set ns = namespace(steps=0) %}
    {%- for s in plan_rows('funnel_steps', 'step') if s['funnel'] == f['funnel'] %}{% set ns.steps = s['step'] | int %}{% endfor %}
    {%- set exclusions = [] %}
    {%- for x in plan_rows('funnel_exclusions', 'position') if x['funnel'] == f['funnel'] %}{% do exclusions.append(x) %}{% endfor %}
    {%- set value = f['breakdown_value'] %}
    select
        '{{ f['funnel'] }}' as funnel,
        a.person_key,
        a.entry_day,
        a.depth,
        a.entered_at,
        a.reached_at as step_times,
        coalesce(v.dimensions, '{}') as dimensions
    from (
        {%- set relation %}
        (
            select e.* from {{ events }} as e
            {% if not whole %}
                inner join {{ entries }} as r
                    on e.funnel = r.funnel and e.person_key = r.person_key and e.day >= r.first_day
            {% endif %}
            where e.funnel = '{{ f['funnel'] }}'
        ) as funnel_events
        {%- endset %}
        {{ deepest_attempts(
            relation, ns.steps, f['step_order'],
            "(select c.conversion_window from " ~ source('config', 'funnels') ~ " as c where c.funnel = '" ~ f['funnel'] ~ "')",
            exclusions
        ) }}
    ) as a
    cross join lateral (
        -- The first, or the last, value of each dimension among the events that serve the steps; or that of one step.
        select jsonb_object_agg(d.key, d.value order by r.step {{ 'asc' if value == 'last' else 'desc' }}) as dimensions
        from unnest(a.reached, a.reached_at, a.reached_days) with ordinality as r (event_id, occurred_at, day, step)
        cross join lateral (
            select dimensions from {{ events }} as s
            where
                s.person_key = a.person_key
                and s.funnel = '{{ f['funnel'] }}'
                and s.day = r.day
                and s.occurred_at = r.occurred_at
                and s.event_id = r.event_id
            offset 0
        ) as e
        cross join lateral jsonb_each_text(e.dimensions) as d
        {{ 'where r.step = ' ~ f['breakdown_step'] if value == 'step' }}
    ) as v
    {% if not whole %}
        inner join {{ entries }} as r
            on r.funnel = '{{ f['funnel'] }}' and a.person_key = r.person_key and a.entry_day between r.first_day and r.last_day
    {% endif %}
    union all
{% endfor %}
select
    null::text as funnel,
    null::text as person_key,
    null::date as entry_day,
    null::integer as depth,
    null::timestamptz as entered_at,
    null::timestamptz[] as step_times,
    null::jsonb as dimensions
where false
