-- depends_on: {{ ref('int_retention_known') }}
{{ incremental_by('person_day', indexes=[{'columns': ['person_key', 'day']}]) }}

with events as (
    select *
    from ({{ events_of_person_days() }}) as e
    where person_key is not null and {{ 'true' if is_whole() else is_touched('person_day', 'e') }}
)

{% for r in plan_rows('retentions', 'retention') %}
    select
        '{{ r['retention'] }}' as retention,
        person_key,
        day,
        min(occurred_at) filter (where {{ r['start_sql'] }}) as started_at,
        coalesce(bool_or({{ r['return_sql'] }}), false) as returned,
        {{ 'array_agg(occurred_at order by occurred_at) filter (where ' ~ r['return_sql'] ~ ')' if r['is_rolling'] else 'null::timestamptz[]' }}
            as returned_at
    from events
    where ({{ r['start_sql'] }}) or ({{ r['return_sql'] }})
    group by person_key, day
    union all
{% endfor %}
select
    null::text as retention,
    person_key,
    day,
    occurred_at as started_at,
    false as returned,
    null::timestamptz[] as returned_at
from events
where false
