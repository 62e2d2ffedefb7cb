-- depends_on: {{ ref('int_touched_days') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    touched='window',
    contract={'enforced': true},
    indexes=[{'columns': ['day']}]
) }}

{#- A person who is active on day d counts for DAU on d, for WAU until d+6 and for MAU until d+29, or until they are active
again, whichever comes first: so each person adds one and takes away one, and a running sum counts them. #}
with range as (
    {% if is_incremental() %}
        select
            min(day) - 29 as first_day,
            max(day) as last_day
        from {{ ref('int_touched_days') }}
    {% else %}
        select
            min(first_day) as first_day,
            {{ as_of_day() }} as last_day
        from {{ ref('dim_dimension_values') }}
    {% endif %}
),

active as (
    select
        dimension,
        dimension_value,
        day,
        lead(day) over (partition by dimension, dimension_value, person_key order by day) as next_day
    from {{ ref('fct_person_days') }}
    where day >= (select first_day from range) and day <= (select last_day from range)
),

steps as (
    select dimension, dimension_value, day, 1 as dau, 1 as wau, 1 as mau from active
    union all
    select dimension, dimension_value, least(day + 7, next_day), 0, -1, 0 from active
    union all
    select dimension, dimension_value, least(day + 30, next_day), 0, 0, -1 from active
    union all
    select s.dimension, s.dimension_value, s.day, 0, 0, 0
    from ({{ dimension_span_days(ref('dim_dimension_values')) }}) as s
    where s.day >= (select first_day from range) and s.day <= (select last_day from range)
),

daily as (
    select
        dimension,
        dimension_value,
        day,
        sum(dau) as dau,
        sum(sum(wau)) over (partition by dimension, dimension_value order by day) as wau,
        sum(sum(mau)) over (partition by dimension, dimension_value order by day) as mau
    from steps
    group by dimension, dimension_value, day
),

spans as (
    {{ dimension_span_days(ref('dim_dimension_values')) }}
)

select
    day,
    dimension,
    dimension_value,
    d.dau::bigint as dau,
    d.wau::bigint as wau,
    d.mau::bigint as mau
from daily as d
inner join spans using (dimension, dimension_value, day)
where {{ where_touched('window') }}
