{{ incremental_by('changed_day', indexes=[{'columns': ['day']}, {'columns': ['anonymous_id']}]) }}

{%- set mode = plan_row()['identity_mode'] %}

select distinct on (day, anonymous_id)
    day,
    anonymous_id,
    user_id,
    occurred_at as linked_at,
    event_id
from ({{ staged_events_of_run() }}) as e
where user_id is not null and anonymous_id is not null and excluded_by is null and {{ 'false' if mode == 'none' else 'true' }}
order by
    day asc,
    anonymous_id asc,
    occurred_at {{ 'asc' if mode == 'first_known' else 'desc' }},
    event_id {{ 'asc' if mode == 'first_known' else 'desc' }}
