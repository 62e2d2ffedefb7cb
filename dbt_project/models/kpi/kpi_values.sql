{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    touched='period',
    contract={'enforced': true},
    indexes=[{'columns': ['kpi_name', 'dimension', 'dimension_value', 'period_date']}, {'columns': ['period_date']}]
) }}

{%- set kpis = plan_rows('kpis', 'position') %}

with spans as (
    select * from ({{ dimension_span_days(ref('dim_dimension_values')) }}) as s
    where {{ where_touched('window') }}
),

measures as (
    select
        day,
        dimension,
        dimension_value
        {%- for m in plan_measures('events') + plan_measures('sessions') %},
        coalesce(sum(value) filter (where measure = '{{ m['measure'] }}'), 0) as "{{ m['measure'] }}"
        {%- endfor %}
    from (
        select day, dimension, dimension_value, measure, value from {{ ref('int_measures') }}
        where {{ where_touched('window') }}
        union all
        select day, dimension, dimension_value, null, null from spans
    ) as m
    group by day, dimension, dimension_value
),

active_users as (
    select
        day,
        dimension,
        dimension_value
        {%- for m in plan_measures('active_users') %},
        {{ m['expression_sql'] }}::numeric as "{{ m['measure'] }}"
        {%- endfor %}
    from {{ ref('fct_active_users') }}
    where {{ where_touched('window') }}
),

wide as (
    select *
    from measures
    inner join active_users using (day, dimension, dimension_value)
    inner join spans using (dimension, dimension_value, day)
),

long as (
    select
        k.kpi_name,
        w.day as period_date,
        w.dimension,
        w.dimension_value,
        k.numerator,
        k.denominator,
        k.is_ratio
    from wide as w
    cross join lateral (
        values (null::text, null::numeric, null::numeric, null::boolean)
        {%- for k in kpis %},
        (
            '{{ k['kpi_name'] }}',
            ({{ k['numerator_sql'] }})::numeric,
            ({{ k['denominator_sql'] or 'null' }})::numeric,
            {{ 'true' if k['denominator_sql'] else 'false' }}
        )
        {%- endfor %}
    ) as k (kpi_name, numerator, denominator, is_ratio)
)

select
    l.kpi_name,
    'day' as grain,
    {{ day_start('l.period_date') }} as period_start,
    l.period_date,
    l.dimension,
    l.dimension_value,
    l.numerator,
    l.denominator,
    case when l.is_ratio then l.numerator / nullif(l.denominator, 0) else l.numerator end as value,
    {{ day_start('(l.period_date + 1)') }} > {{ as_of() }} as is_partial,
    c.definition_hash
from long as l
inner join {{ source('config', 'kpis') }} as c on l.kpi_name = c.kpi_name
where l.dimension = 'all' or l.dimension = any(c.dimensions)
