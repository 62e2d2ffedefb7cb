-- depends_on: {{ ref('int_retention_periods') }}
-- depends_on: {{ ref('int_retention_days') }}
{{ config(indexes=[{'columns': ['retention', 'dimension', 'cohort_start']}]) }}

{%- set retentions = plan_rows('retentions', 'retention') %}

with persons as (
    select
        p.person_key,
        d.dimension,
        coalesce(b.dimension_value, d.raw_value) as dimension_value
    from {{ ref('dim_persons') }} as p
    cross join lateral {{ kept_dimensions('p.dimensions') }}
    left join {{ ref('dim_dimension_values') }} as b on d.dimension = b.dimension and d.raw_value = b.raw_value
    where d.dimension = 'all' or d.dimension in (select unnest(r.dimensions) from {{ source('config', 'retentions') }} as r)
),

{% for r in retentions %}
    {%- set step, name = "interval '1 " ~ r['grain'] ~ "'", r['retention'] %}
    {{ name }}_cohorts as (
        select
            person_key,
            {{ 'min(period_start)' if r['mode'] == 'first_time' else 'period_start' }} as cohort_start,
            min(started_at) as started_at
        from {{ ref('int_retention_periods') }}
        where retention = '{{ name }}' and started_at is not null
        group by person_key{{ ', period_start' if r['mode'] != 'first_time' }}
    ),

    {{ name }}_returns as (
        {% if r['is_rolling'] %}
            select distinct
                c.person_key,
                c.cohort_start,
                floor(extract(epoch from t.at - c.started_at) / 86400)::integer as period
            from {{ name }}_cohorts as c
            inner join {{ ref('int_retention_days') }} as d
                on d.retention = '{{ name }}' and c.person_key = d.person_key and d.day >= c.cohort_start
            cross join lateral unnest(d.returned_at) as t (at)
            where t.at >= c.started_at + interval '24 hours'
        {% else %}
            select
                c.person_key,
                c.cohort_start,
                {{ periods_between('c.cohort_start', 'p.period_start', r['grain']) }} as period
            from {{ name }}_cohorts as c
            inner join {{ ref('int_retention_periods') }} as p
                on
                    p.retention = '{{ name }}'
                    and c.person_key = p.person_key
                    and p.returned
                    and p.period_start > c.cohort_start
                    and p.period_start <= c.cohort_start + {{ r['periods'] | int }} * {{ step }}
        {% endif %}
    ),

    {{ name }}_last_returns as (
        {% if r['is_rolling'] %}
            select
                person_key,
                max(returned_at[cardinality(returned_at)]) as last_return
            from {{ ref('int_retention_days') }}
            where retention = '{{ name }}' and returned
            group by person_key
        {% else %}
            select
                person_key,
                max(period_start) as last_return
            from {{ ref('int_retention_periods') }}
            where retention = '{{ name }}' and returned
            group by person_key
        {% endif %}
    ),

    {{ name }}_last_periods as (
        select
            c.person_key,
            c.cohort_start,
            {% if r['is_rolling'] %}
                floor(extract(epoch from l.last_return - c.started_at) / 86400)::integer as period
            {% else %}
                {{ periods_between('c.cohort_start', 'l.last_return', r['grain']) }} as period
            {% endif %}
        from {{ name }}_cohorts as c
        inner join {{ name }}_last_returns as l on c.person_key = l.person_key
    ),

    {{ name }}_counts as (
        select
            c.cohort_start,
            p.dimension,
            p.dimension_value,
            c.period,
            count(*) as persons
        from (
            select person_key, cohort_start, 0 as period from {{ name }}_cohorts
            union all
            select person_key, cohort_start, period from {{ name }}_returns where period <= {{ r['periods'] | int }}
        ) as c
        inner join persons as p on c.person_key = p.person_key
        where p.dimension = 'all'{% for d in r['dimensions'] %} or p.dimension = '{{ d }}'{% endfor %}
        group by c.cohort_start, p.dimension, p.dimension_value, c.period
    ),

    {{ name }}_last as (
        select
            l.cohort_start,
            p.dimension,
            p.dimension_value,
            l.period,
            count(*) as persons
        from (
            select person_key, cohort_start, least(period, {{ r['periods'] | int }}) as period
            from {{ name }}_last_periods
            where period > 0
        ) as l
        inner join persons as p on l.person_key = p.person_key
        where p.dimension = 'all'{% for d in r['dimensions'] %} or p.dimension = '{{ d }}'{% endfor %}
        group by l.cohort_start, p.dimension, p.dimension_value, l.period
    ),

    {{ name }}_series as (
        select
            dimension,
            dimension_value,
            min(cohort_start)::timestamp as first_period
        from {{ name }}_counts
        group by dimension, dimension_value
    ),

    {{ name }}_cells as (
        select
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
        from {{ name }}_series as f
        cross join lateral generate_series(
            f.first_period, {{ period_start(as_of_day(), r['grain']) }}::timestamp, {{ step }}
        ) as c (at)
        cross join generate_series(0, {{ r['periods'] | int }}) as k (period)
        {% if not r['is_rolling'] %}
            where c.at + k.period * {{ step }} <= {{ period_start(as_of_day(), r['grain']) }}
        {% endif %}
    ),
{% endfor %}

cells as (
    {% for r in retentions %}
        {%- set name = r['retention'] %}
        select
            '{{ name }}' as retention,
            c.cohort_start,
            c.dimension,
            c.dimension_value,
            c.period,
            c.is_open,
            c.is_shown,
            coalesce(n.persons, 0) as persons,
            coalesce(sum(l.persons) over (
                partition by c.cohort_start, c.dimension, c.dimension_value order by c.period desc
            ), 0)::bigint as persons_on_or_after
        from {{ name }}_cells as c
        left join {{ name }}_counts as n using (cohort_start, dimension, dimension_value, period)
        left join {{ name }}_last as l using (cohort_start, dimension, dimension_value, period)
        union all
    {% endfor %}
    select
        null::text as retention,
        null::date as cohort_start,
        null::text as dimension,
        null::text as dimension_value,
        null::int as period,
        null::boolean as is_open,
        null::boolean as is_shown,
        null::bigint as persons,
        null::bigint as persons_on_or_after
    where false
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
    case when c.period = 0 or not c.is_open then c.persons::numeric / nullif(z.persons, 0) end as rate,
    case when c.period = 0 then c.persons when not c.is_open then c.persons_on_or_after end as persons_on_or_after,
    c.is_open as is_partial,
    r.definition_hash
from cells as c
inner join cells as z
    on
        c.retention = z.retention
        and c.cohort_start = z.cohort_start
        and c.dimension = z.dimension
        and c.dimension_value = z.dimension_value
        and z.period = 0
inner join {{ source('config', 'retentions') }} as r on c.retention = r.retention
where c.is_shown
