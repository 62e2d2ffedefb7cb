{{ incremental_by('changed_day', indexes=[{'columns': ['day']}]) }}

select
    day,
    excluded_by as rule,
    event_name,
    count(*) as events
from ({{ staged_events_of_run() }}) as e
where excluded_by is not null
group by day, excluded_by, event_name
{% if has_departed('build_marts.fct_excluded_traffic') %}
    -- Days whose raw events have left keep their numbers; the table is read by name, as the last build left it.
    union all
    select
        k.day,
        k.rule,
        k.event_name,
        k.events
    from build_marts.fct_excluded_traffic as k
    where
        exists (
            select 1 from {{ source('ops', 'horizons') }} as h
            where h.event_name in ('', k.event_name) and {{ day_start('k.day') }} < h.before
        )
        {% if not is_whole() %}and k.day in (select d.day from {{ ref('int_changed_days') }} as d){% endif %}
{% endif %}
