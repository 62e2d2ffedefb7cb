{#- How many periods of a grain lie between two first days. #}
{% macro periods_between(first, last, grain) -%}
    {%- if grain == 'month' -%}
        ((extract(year from {{ last }}) - extract(year from {{ first }})) * 12
        + extract(month from {{ last }}) - extract(month from {{ first }}))::integer
    {%- elif grain == 'week' -%}
        (({{ last }} - {{ first }}) / 7)
    {%- else -%}
        ({{ last }} - {{ first }})
    {%- endif -%}
{%- endmacro %}

{#-
What persons add to the cells of retention: rows (retention, cohort_start, dimension, raw_value, period, persons,
last_persons). persons came back in the period (or are the cohort, in period 0), last_persons came back in it for the last
time, or later than the last period that is shown. Counts of persons, so that those of some can be taken away and added again.
The relations are queries with the columns of int_retention_periods, int_retention_days and dim_persons.
-#}
{% macro retention_counts(periods, days, persons) -%}
    {%- for r in plan_rows('retentions', 'retention') %}
        {%- set name, last = r['retention'], r['periods'] | int %}
        select
            '{{ name }}' as retention,
            c.cohort_start,
            d.dimension,
            d.raw_value,
            c.period,
            count(*) filter (where not c.is_last) as persons,
            count(*) filter (where c.is_last) as last_persons
        from (
            with person_periods as (
                select * from ({{ periods }}) as p
                where p.retention = '{{ name }}'
            ),

            cohorts as (
                select
                    person_key,
                    {{ 'min(period_start)' if r['mode'] == 'first_time' else 'period_start' }} as cohort_start,
                    min(started_at) as started_at
                from person_periods
                where started_at is not null
                group by person_key{{ ', period_start' if r['mode'] != 'first_time' }}
            ),

            {% if r['is_rolling'] %}
                person_returns as (
                    select
                        person_key,
                        day,
                        returned_at
                    from ({{ days }}) as p
                    where p.retention = '{{ name }}' and p.returned
                ),

                returns as (
                    select distinct
                        c.person_key,
                        c.cohort_start,
                        floor(extract(epoch from t.at - c.started_at) / 86400)::integer as period
                    from cohorts as c
                    inner join person_returns as p on c.person_key = p.person_key and p.day >= c.cohort_start
                    cross join lateral unnest(p.returned_at) as t (at)
                    where t.at >= c.started_at + interval '24 hours'
                ),

                last_returns as (
                    select
                        c.person_key,
                        c.cohort_start,
                        floor(extract(epoch from l.last_return - c.started_at) / 86400)::integer as period
                    from cohorts as c
                    inner join (
                        select
                            person_key,
                            max(returned_at[cardinality(returned_at)]) as last_return
                        from person_returns
                        group by person_key
                    ) as l on c.person_key = l.person_key
                )
            {% else %}
                returns as (
                    select
                        c.person_key,
                        c.cohort_start,
                        {{ periods_between('c.cohort_start', 'p.period_start', r['grain']) }} as period
                    from cohorts as c
                    inner join person_periods as p
                        on
                            c.person_key = p.person_key
                            and p.returned
                            and p.period_start > c.cohort_start
                            and p.period_start <= c.cohort_start + {{ last }} * interval '1 {{ r['grain'] }}'
                ),

                last_returns as (
                    select
                        c.person_key,
                        c.cohort_start,
                        {{ periods_between('c.cohort_start', 'l.last_return', r['grain']) }} as period
                    from cohorts as c
                    inner join (
                        select
                            person_key,
                            max(period_start) as last_return
                        from person_periods
                        where returned
                        group by person_key
                    ) as l on c.person_key = l.person_key
                )
            {% endif %}

            select person_key, cohort_start, 0 as period, false as is_last from cohorts
            union all
            select person_key, cohort_start, period, false from returns
            where period <= {{ last }}
            union all
            select person_key, cohort_start, least(period, {{ last }}), true from last_returns
            where period > 0
        ) as c
        inner join ({{ persons }}) as p on c.person_key = p.person_key
        cross join lateral {{ kept_dimensions('p.dimensions', names=r['dimensions']) }}
        group by c.cohort_start, d.dimension, d.raw_value, c.period
        union all
    {% endfor %}
    {{ no_retention_counts() }}
{%- endmacro %}

{% macro no_retention_counts() -%}
    select
        null::text as retention,
        null::date as cohort_start,
        null::text as dimension,
        null::text as raw_value,
        null::integer as period,
        null::bigint as persons,
        null::bigint as last_persons
    where false
{%- endmacro %}

{% macro retention_counts_of_touched(periods, days, persons) -%}
    {%- set keys, same = ref('int_touched_retention'), 't.person_key = r.person_key' -%}
    {%- set keys_by_retention, of_retention = 'select * from ' ~ keys, same ~ ' and t.retention = r.retention' -%}
    {{ retention_counts(
        rows_of_keys(periods, keys_by_retention, of_retention ~ ' and t.period_start >= r.first_period'),
        rows_of_keys(days, keys_by_retention, of_retention),
        rows_of_keys(persons, 'select distinct person_key from ' ~ keys, same),
    ) }}
{%- endmacro %}

{#- One row a cell of a relation of retention counts: their sums, without cells that have become empty. #}
{% macro summed_retention_counts(relation) -%}
    select
        retention,
        cohort_start,
        dimension,
        raw_value,
        period,
        sum(persons)::bigint as persons,
        sum(last_persons)::bigint as last_persons
    from {{ relation }}
    group by retention, cohort_start, dimension, raw_value, period
    having sum(persons) <> 0 or sum(last_persons) <> 0
{%- endmacro %}
