-- depends_on: {{ ref('int_touched_entries') }}
-- depends_on: {{ ref('dim_dimension_values') }}
-- depends_on: {{ ref('int_changed_days') }}
-- depends_on: {{ ref('int_touched_days') }}
-- depends_on: {{ ref('int_touched_keys') }}
-- depends_on: {{ ref('fct_funnel_attempts') }}
{#- Entry days of funnels whose attempts, values or open windows have changed. #}
{%- set closing %}
    select
        f.funnel,
        {{ local_day('(least(b.as_of, b.previous_as_of) - f.conversion_window)') }} - 2 as first_day,
        {{ local_day('(greatest(b.as_of, b.previous_as_of) - f.conversion_window)') }} + 1 as last_day
    from {{ source('config', 'funnels') }} as f
    cross join {{ source('ops', 'current_build') }} as b
{%- endset %}
{%- set columns = 'funnel, person_key, entry_day, depth, entered_at, step_times, dimensions' %}
{% if is_whole_build() or not published_exists('fct_funnel_attempts') %}
    select null::text as funnel, null::date as entry_day where false
{% else %}
    with fresh as (
        select {{ columns }} from ({{ rows_of_keys(ref('fct_funnel_attempts'), *touched('attempt')[0]) }}) as t
    ),

    known as (
        select {{ columns }} from ({{ rows_of_keys('marts.fct_funnel_attempts', *touched('attempt')[0]) }}) as t
    ),

    changed as (
        (
            select * from fresh
            except
            select * from known
        )
        union all
        (
            select * from known
            except
            select * from fresh
        )
    ),

    moved as (
        select
            dimension,
            raw_value
        from {{ ref('dim_dimension_values') }} as n
        inner join marts.dim_dimension_values as p using (dimension, raw_value)
        where n.dimension_value is distinct from p.dimension_value
    ),

    -- The window of an entry day closes between two builds.
    closing as (
        select
            f.funnel,
            d.entry_day
        from {{ source('config', 'funnels') }} as f
        cross join {{ source('ops', 'current_build') }} as b
        inner join (
            select distinct funnel, entry_day
            from ({{ rows_of_keys('marts.fct_funnel', closing, 't.funnel = r.funnel and t.entry_day between r.first_day and r.last_day') }}) as t
        ) as d on f.funnel = d.funnel
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
    where (select count(*) from moved) > 0 and (v.key, v.value) in (select m.dimension, m.raw_value from moved as m)
{% endif %}
