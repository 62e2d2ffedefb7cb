{{ incremental_by('changed_day', indexes=[{'columns': ['day']}]) }}

select
    day,
    excluded_by as rule,
    event_name,
    count(*) as events
from {{ staged_events_of_run() }}
where excluded_by is not null
group by day, excluded_by, event_name
