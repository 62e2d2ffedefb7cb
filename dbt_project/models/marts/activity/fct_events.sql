-- depends_on: {{ ref('int_events') }}
{{ incremental_by('event', indexes=[{'columns': ['day']}, {'columns': ['person_key', 'occurred_at']}]) }}

select
    event_id,
    occurred_at,
    day,
    event_name,
    person_key,
    session_key,
    is_activity,
    is_page,
    amount
from {{ events_of_run('event') }}
