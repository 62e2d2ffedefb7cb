{{ config(indexes=[{'columns': ['retention', 'dimension', 'cohort_start']}]) }}

{%- set retentions = plan_rows('retentions', 'retention') %}

with counts as (
    select
        c.retention,
        c.cohort_start,
        c.dimension,
        coalesce(b.dimension_value, c.raw_value) as dimension_value,
        c.period,
        sum(c.persons)::bigint as persons,
        sum(c.last_persons)::bigint as last_persons
    from {{ ref('int_retention_counts') }} as c
    left join {{ ref('dim_dimension_values') }} as b on c.dimension = b.dimension and c.raw_value = b.raw_value
    group by c.retention, c.cohort_start, c.dimension, coalesce(b.dimension_value, c.raw_value), c.period
),

series as (
    select
        retention,
        dimension,
        dimension_value,
        min(cohort_start)::timestamp as first_period
    from counts
    group by retention, dimension, dimension_value
),

cells as (
    {% for r in retentions %}
        {%- set step = "interval '1 " ~ r['grain'] ~ "'" %}
        select
            f.retention,
            c.at::date as cohort_start,
            f.dimension,
            f.dimension_value,
            k.period,
            {% if r['is_rolling'] %}
                -- The size of a cohort is known when its period is over.
                {{ day_start('(c.at + ' ~ step ~ ')') }}
                + (case k.period when 0 then 0 else k.period + 1 end) * interval '24 hours' > {{ as_of() }} as is_open,
                -- Who came early in the cohort's period can be in a cell that has not begun for all: it counts as "or after".
                k.period = 0
                or {{ day_start('(c.at + ' ~ step ~ ')') }} + k.period * interval '24 hours' <= {{ as_of() }} as is_shown
            {% else %}
                {{ day_start('(c.at + (k.period + 1) * ' ~ step ~ ')') }} > {{ as_of() }} as is_open,
                true as is_shown
            {% endif %}
        from series as f
        cross join lateral generate_series(
            f.first_period, {{ period_start(as_of_day(), r['grain']) }}::timestamp, {{ step }}
        ) as c (at)
        cross join generate_series(0, {{ r['periods'] | int }}) as k (period)
        where
            f.retention = '{{ r['retention'] }}'
            {% if not r['is_rolling'] %}
                and c.at + k.period * {{ step }} <= {{ period_start(as_of_day(), r['grain']) }}
            {% endif %}
        union all
    {% endfor %}
    select
        null::text as retention,
        null::date as cohort_start,
        null::text as dimension,
        null::text as dimension_value,
        null::integer as period,
        null::boolean as is_open,
        null::boolean as is_shown
    where false
),

counted as (
    select
        c.*,
        coalesce(n.persons, 0) as persons,
        coalesce(sum(n.last_persons) over (triangle order by c.period desc), 0)::bigint as persons_on_or_after,
        first_value(coalesce(n.persons, 0)) over (triangle order by c.period) as cohort_persons
    from cells as c
    left join counts as n using (retention, cohort_start, dimension, dimension_value, period)
    window triangle as (partition by c.retention, c.cohort_start, c.dimension, c.dimension_value)
)

select
    c.retention,
    r.mode,
    r.grain,
    c.cohort_start,
    c.dimension,
    c.dimension_value,
    c.period,
    case when c.period = 0 or not c.is_open then c.persons end as persons,
    case when c.period = 0 or not c.is_open then c.persons::numeric / nullif(c.cohort_persons, 0) end as rate,
    case when c.period = 0 then c.persons when not c.is_open then c.persons_on_or_after end as persons_on_or_after,
    c.is_open as is_partial,
    r.definition_hash
from counted as c
inner join {{ source('config', 'retentions') }} as r on c.retention = r.retention
where c.is_shown
