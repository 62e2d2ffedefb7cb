{{ incremental_by('events', indexes=[{'columns': ['day']}]) }}

{%- set plan = plan_row() %}

with events as (
    {{ touched_rows(ref('int_events'), 'events') }}
)

select
    event_id,
    occurred_at,
    day,
    event_name,
    value::numeric as value,
    currency
from events
where (({{ plan['revenue_sql'] }}) or ({{ plan['refund_sql'] }})) and value is not null and amount is null
