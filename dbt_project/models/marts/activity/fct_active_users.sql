-- depends_on: {{ ref('int_touched_days') }}
{{ incremental_by('window', indexes=[{'columns': ['day']}]) }}

{#- A person who is active on day d counts for DAU on d, for WAU until d+6 and for MAU until d+29, or until they are active
again, whichever comes first: so each person adds one and takes away one, and a running sum counts them. #}
{%- set whole = is_whole() %}

with
-- The days that the touched windows look at; a window lies in them whole.
looked_at as (
    {% if whole %}
        select distinct day from {{ ref('fct_person_days') }}
    {% else %}
        select distinct w.day - g.days as day
        from {{ ref('int_touched_days') }} as w
        cross join generate_series(0, 29) as g (days)
        where w.reason = 'window'
    {% endif %}
),

spans as (
    {{ dimension_span_days(ref('dim_dimension_values')) }}
),

active as (
    select
        dimension,
        dimension_value,
        day,
        lead(day) over (partition by dimension, dimension_value, person_key order by day) as next_day
    from ({{ rows_of_days(ref('fct_person_days'), 'select day from looked_at') }}) as d
),

steps as (
    select dimension, dimension_value, day, 1 as dau, 1 as wau, 1 as mau from active
    union all
    select dimension, dimension_value, least(day + 7, next_day), 0, -1, 0 from active
    union all
    select dimension, dimension_value, least(day + 30, next_day), 0, 0, -1 from active
    union all
    select dimension, dimension_value, day, 0, 0, 0 from spans
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
)

select
    day,
    dimension,
    dimension_value,
    d.dau::bigint as dau,
    d.wau::bigint as wau,
    d.mau::bigint as mau,
    d.dau::numeric / nullif(d.mau, 0) as stickiness,
    {{ day_start('day + 1') }} > {{ as_of() }} as is_partial
from daily as d
inner join spans using (dimension, dimension_value, day)
where {{ 'true' if whole else is_touched('window', 'd') }}
