{#- The published plan, read when a model runs: nothing of it is known when the project is parsed. #}

{% macro plan_rows(table, order_by) -%}
    {%- set rows = [] -%}
    {%- if execute -%}
        {%- for row in run_query("select to_jsonb(t)::text as row from config." ~ table ~ " as t order by " ~ order_by).rows -%}
            {%- do rows.append(fromjson(row['row'])) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(rows) }}
{%- endmacro %}

{% macro plan_dimensions() -%}
    {{ return(plan_rows('dimensions', 'position')) }}
{%- endmacro %}

{% macro plan_measures(relation) -%}
    {%- set found = [] -%}
    {%- for measure in plan_rows('measures', 'measure') if measure['relation'] == relation -%}
        {%- do found.append(measure) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{% macro plan_row() -%}
    {%- for row in plan_rows('plan', 'name') -%}{{ return(row) }}{%- endfor -%}
    {{ return({
        'conversion_sql': 'false', 'revenue_sql': 'false', 'refund_sql': 'false', 'identity_mode': 'last_known', 'engagement': '{}'
    }) }}
{%- endmacro %}

{#- The instant at which a local day begins: the first, where the clock shows midnight twice. #}
{% macro day_start(day) -%}
    {%- set zone = "(select zone.timezone from " ~ source('config', 'plan') ~ " as zone)" -%}
    {%- set midnight = "((" ~ day ~ ")::timestamp at time zone " ~ zone ~ ")" -%}
    (
        {{ midnight }}
        - case when ({{ midnight }} - interval '1 hour') at time zone {{ zone }} >= ({{ day }})::timestamp then interval '1 hour' else interval '0' end
    )
{%- endmacro %}

{#- The local day of an instant. #}
{% macro local_day(instant) -%}
    ({{ instant }} at time zone (select zone.timezone from {{ source('config', 'plan') }} as zone))::date
{%- endmacro %}

{% macro as_of() -%}
    (select build.as_of from {{ source('ops', 'current_build') }} as build)
{%- endmacro %}

{% macro as_of_day() -%}
    (select {{ local_day('build.as_of') }} from {{ source('ops', 'current_build') }} as build)
{%- endmacro %}

{#- The first day of the calendar period of a day: an expression, as is everything above. #}
{% macro period_start(day, grain) -%}
    {%- if grain == 'week' -%}
        (date_trunc('week', {{ day }} + (select (week.week_start = 'sunday')::int from {{ source('config', 'plan') }} as week))::date
        - (select (week.week_start = 'sunday')::int from {{ source('config', 'plan') }} as week))
    {%- else -%}
        date_trunc('{{ grain }}', {{ day }})::date
    {%- endif -%}
{%- endmacro %}

{#- A person's or session's value of each dimension, the first that is not null, as jsonb: {dimension: value}. #}
{% macro first_dimension_values(order_by) -%}
    jsonb_strip_nulls(jsonb_build_object(
        {%- for d in plan_dimensions() %}
        '{{ d['dimension'] }}',
        (array_agg({{ d['expression_sql'] }}::text order by {{ order_by }})
            filter (where {{ d['expression_sql'] }} is not null))[1]{{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{#- The first day of the period that follows. #}
{% macro next_period(start, grain) -%}
    ({{ start }} + interval '1 {{ grain }}')::date
{%- endmacro %}

{#- (grain, period_start, next_start) of the calendar periods of a relation's days. The alias is one that no caller uses: column lineage mixes up equal ones. #}
{% macro calendar_periods(days, grains) -%}
    {%- for grain in grains %}
        {%- if not loop.first %} union {% endif %}
        select
            '{{ grain }}' as grain,
            {{ period_start('calendar_days.day', grain) }} as period_start,
            {{ next_period(period_start('calendar_days.day', grain), grain) }} as next_start
        from ({{ days }}) as calendar_days
    {%- endfor -%}
{%- endmacro %}
