-- depends_on: {{ ref('dim_dimension_values') }}
-- depends_on: {{ ref('int_changed_days') }}
-- depends_on: {{ ref('int_touched_days') }}
-- depends_on: {{ ref('int_touched_keys') }}
-- depends_on: {{ ref('fct_funnel_attempts') }}
{#- Entry days of funnels whose attempts, values or open windows have changed. #}
{%- set columns = 'funnel, person_key, entry_day, depth, entered_at, step_times, dimensions' %}
{% if is_whole_build() or not published_exists('fct_funnel_attempts') %}
    select null::text as funnel, null::date as entry_day where false
{% else %}
    with fresh as (
        select {{ columns }} from {{ ref('fct_funnel_attempts') }}
        where person_key in (select k.person_key from {{ ref('int_touched_keys') }} as k)
    ),

    known as (
        select {{ columns }} from marts.fct_funnel_attempts
        where person_key in (select k.person_key from {{ ref('int_touched_keys') }} as k)
    ),

    changed as (
        (select * from fresh except select * from known)
        union all
        (select * from known except select * from fresh)
    ),

    -- The window of an entry day closes between two builds.
    closing as (
        select
            f.funnel,
            d.entry_day
        from {{ source('config', 'funnels') }} as f
        cross join {{ source('ops', 'current_build') }} as b
        inner join (select distinct funnel, entry_day from marts.fct_funnel) as d on f.funnel = d.funnel
        where
            ({{ day_start('d.entry_day + 1') }} + f.conversion_window > b.as_of)
            <> ({{ day_start('d.entry_day + 1') }} + f.conversion_window > b.previous_as_of)
    )

    select funnel, entry_day from changed
    union
    select funnel, entry_day from closing
    union
    -- A value moved into or out of (other).
    select
        a.funnel,
        a.entry_day
    from {{ ref('fct_funnel_attempts') }} as a
    cross join lateral jsonb_each_text(a.dimensions) as v
    inner join (
        select
            dimension,
            raw_value
        from {{ ref('dim_dimension_values') }} as n
        full join marts.dim_dimension_values as p using (dimension, raw_value)
        where n.dimension_value is distinct from p.dimension_value
            and n.dimension_value is not null and p.dimension_value is not null
    ) as moved on v.key = moved.dimension and v.value = moved.raw_value
{% endif %}
