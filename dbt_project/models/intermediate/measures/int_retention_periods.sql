{{ config(materialized='incremental', incremental_strategy='touched', touched='person', indexes=[{'columns': ['person_key']}]) }}

with events as (
    select * from {{ ref('int_events') }}
    where person_key is not null and {{ where_touched('person') }}
)

{% for r in plan_rows('retentions', 'retention') %}
    select
        '{{ r['retention'] }}' as retention,
        person_key,
        {{ period_start('day', r['grain']) }} as period_start,
        coalesce(bool_or({{ r['start_sql'] }}), false) as started,
        coalesce(bool_or({{ r['return_sql'] }}), false) as returned
    from events
    group by person_key, {{ period_start('day', r['grain']) }}
    union all
{% endfor %}
select null::text as retention, person_key, day as period_start, false as started, false as returned
from events
where false
