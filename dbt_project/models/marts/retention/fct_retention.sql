-- depends_on: {{ ref('int_retention_periods') }}
{{ config(contract={'enforced': true}) }}

{%- set retentions = plan_rows('retentions', 'retention') %}

with
{% for r in retentions %}
    {%- set step = 'make_interval(' ~ r['grain'] ~ 's => 1)' %}
    {{ r['retention'] }}_starts as (
        select
            person_key,
            {{ 'min(period_start)' if r['mode'] == 'first_time' else 'period_start' }} as cohort_start
        from {{ ref('int_retention_periods') }}
        where retention = '{{ r['retention'] }}' and started
        {{ 'group by person_key' if r['mode'] == 'first_time' }}
    ),

    {{ r['retention'] }}_counts as (
        select
            s.cohort_start,
            p.period_start,
            count(*) filter (where p.returned or p.period_start = s.cohort_start) as persons
        from {{ r['retention'] }}_starts as s
        inner join {{ ref('int_retention_periods') }} as p
            on s.person_key = p.person_key and p.retention = '{{ r['retention'] }}' and p.period_start >= s.cohort_start
        group by s.cohort_start, p.period_start
    ),

    {{ r['retention'] }}_cells as (
        select
            c.at::date as cohort_start,
            k.period,
            (c.at + k.period * {{ step }})::date as period_start,
            {{ day_start('(c.at + (k.period + 1) * ' ~ step ~ ')') }} > {{ as_of() }} as is_open
        from (
            select min(cohort_start)::timestamp as first_period from {{ r['retention'] }}_starts
        ) as f
        cross join lateral generate_series(
            f.first_period, {{ period_start(as_of_day(), r['grain']) }}::timestamp, {{ step }}
        ) as c (at)
        cross join generate_series(0, {{ r['periods'] | int }}) as k (period)
        where c.at + k.period * {{ step }} <= {{ period_start(as_of_day(), r['grain']) }}
    ),
{% endfor %}

cells as (
    {% for r in retentions %}
        select
            '{{ r['retention'] }}' as retention,
            c.cohort_start,
            c.period,
            c.is_open,
            coalesce(n.persons, 0) as persons
        from {{ r['retention'] }}_cells as c
        left join {{ r['retention'] }}_counts as n on c.cohort_start = n.cohort_start and c.period_start = n.period_start
        union all
    {% endfor %}
    select
        null::text as retention,
        null::date as cohort_start,
        null::int as period,
        null::boolean as is_open,
        null::bigint as persons
    where false
)

select
    c.retention,
    r.mode,
    r.grain,
    c.cohort_start,
    c.period,
    case when c.period = 0 or not c.is_open then c.persons end as persons,
    case when c.period = 0 or not c.is_open then c.persons::numeric / nullif(z.persons, 0) end as rate,
    c.is_open as is_partial,
    r.definition_hash
from cells as c
inner join cells as z on c.retention = z.retention and c.cohort_start = z.cohort_start and z.period = 0
inner join {{ source('config', 'retentions') }} as r on c.retention = r.retention
