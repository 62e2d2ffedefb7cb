-- depends_on: {{ ref('int_changed_days') }}
{{ incremental_by('changed_day', indexes=[{'columns': ['day']}]) }}

with events as (
    select * from {{ events_of_run('changed_day') }}
    where {{ 'true' if is_whole() else 'day in (select d.day from ' ~ ref('int_changed_days') ~ ' as d)' }}
)

select
    e.day,
    d.dimension,
    d.raw_value,
    count(*) as events
from events as e
cross join lateral {{ event_dimensions() }}
group by e.day, d.dimension, d.raw_value
