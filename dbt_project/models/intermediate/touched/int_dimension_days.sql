{{ config(materialized='incremental', incremental_strategy='touched', touched='base_day', indexes=[{'columns': ['day']}]) }}

with events as (
    select * from {{ ref('int_events') }}
    where {{ where_touched('base_day') }}
)

select
    e.day,
    d.dimension,
    d.raw_value,
    count(*) as events
from events as e
cross join lateral {{ event_dimensions() }}
group by e.day, d.dimension, d.raw_value
