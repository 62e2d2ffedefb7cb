{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    touched='person',
    contract={'enforced': true},
    indexes=[{'columns': ['person_key']}, {'columns': ['funnel', 'entry_day']}]
) }}

{#- Each first-step event is an attempt. Step k is the earliest event of that step that is not before step k-1 and has not
served an earlier step, within the window of the first. One column of the walk is (time, event ids used, dimensions). #}
{%- set funnels = plan_rows('funnels', 'funnel') %}
{%- set steps = plan_rows('funnel_steps', 'funnel, step') %}

with
touched_persons as (
    select distinct person_key
    from {{ ref('int_funnel_events') }}
    where {{ where_touched('person') }}
),

{% for f in funnels %}
    {%- set depth = namespace(n=0) %}
    {%- for s in steps if s['funnel'] == f['funnel'] %}{% set depth.n = s['step'] | int %}{% endfor %}
    {{ f['funnel'] }}_walks as (
        select
            '{{ f['funnel'] }}' as funnel,
            s1.person_key,
            s1.day as entry_day,
            array[s1.occurred_at{% for k in range(2, depth.n + 1) %}, s{{ k }}.occurred_at{% endfor %}] as reached_at,
            s1.event_id,
            {% for k in range(depth.n, 1, -1) %}coalesce(s{{ k }}.dimensions, '{}') || {% endfor %}s1.dimensions as dimensions
        from {{ ref('int_funnel_events') }} as s1
        inner join {{ source('config', 'funnels') }} as w on s1.funnel = w.funnel
        {%- for k in range(2, depth.n + 1) %}
        left join lateral (
            select
                e.occurred_at,
                e.event_id,
                e.dimensions
            from {{ ref('int_funnel_events') }} as e
            where
                e.person_key = s1.person_key
                and e.funnel = s1.funnel
                and e.step = {{ k }}
                and e.occurred_at >= s{{ k - 1 }}.occurred_at
                and (w.conversion_window is null or e.occurred_at <= s1.occurred_at + w.conversion_window)
                and e.event_id not in (s1.event_id{% for j in range(2, k) %}, s{{ j }}.event_id{% endfor %})
            order by
                e.occurred_at,
                -- At one instant, an event that can serve a later step is kept for it.
                exists (
                    select 1
                    from {{ ref('int_funnel_events') }} as later
                    where
                        later.person_key = e.person_key
                        and later.funnel = e.funnel
                        and later.step > e.step
                        and later.occurred_at = e.occurred_at
                        and later.event_id = e.event_id
                ),
                e.event_id
            limit 1
        ) as s{{ k }} on s{{ k - 1 }}.occurred_at is not null
        {%- endfor %}
        where s1.funnel = '{{ f['funnel'] }}' and s1.step = 1 and s1.person_key in (select person_key from touched_persons)
    ),
{% endfor %}

walks as (
    {% for f in funnels %}
        select * from {{ f['funnel'] }}_walks
        union all
    {% endfor %}
    select
        null::text as funnel,
        null::text as person_key,
        null::date as entry_day,
        null::timestamptz[] as reached_at,
        null::uuid as event_id,
        null::jsonb as dimensions
    where false
),

measured as (
    select
        *,
        cardinality(array_remove(reached_at, null)) as depth
    from walks
),

deepest as (
    select distinct on (funnel, person_key, entry_day) *
    from measured
    order by funnel, person_key, entry_day, depth desc, reached_at[1], event_id
)

select
    funnel,
    person_key,
    entry_day,
    depth,
    reached_at[1] as entered_at,
    array_remove(reached_at, null) as step_times,
    dimensions
from deepest
