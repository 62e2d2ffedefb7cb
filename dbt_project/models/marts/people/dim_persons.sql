-- depends_on: {{ ref('int_retention_known') }}
{{ incremental_by('person', indexes=[{'columns': ['person_key'], 'unique': true}]) }}

with days as (
    {{ touched_rows(ref('int_person_days'), 'person') }}
)

select
    person_key,
    case when person_key like 'u:%' then substr(person_key, 3) end as user_id,
    min(first_at) as first_seen_at,
    max(last_at) as last_seen_at,
    sum(events)::bigint as events,
    min(day) filter (where active_events > 0) as first_active_day,
    max(day) filter (where active_events > 0) as last_active_day,
    count(*) filter (where active_events > 0) as active_days,
    jsonb_strip_nulls(jsonb_build_object(
        {%- for d in plan_dimensions() %}
        '{{ d['dimension'] }}',
        (array_agg(dimensions ->> '{{ d['dimension'] }}' order by day) filter (where dimensions ? '{{ d['dimension'] }}'))[1]
        {{- ',' if not loop.last }}
        {%- endfor %}
    )) as dimensions
from days
group by person_key
