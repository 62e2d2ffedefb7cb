{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    touched='day',
    contract={'enforced': true},
    indexes=[{'columns': ['day']}, {'columns': ['person_key']}]
) }}

with events as (
    select * from {{ ref('int_events') }}
    where is_activity and person_key is not null and {{ where_touched('day') }}
)

select
    e.person_key,
    e.day,
    b.dimension,
    b.dimension_value,
    count(*) as events
from events as e
cross join lateral {{ event_dimensions() }}
inner join {{ ref('dim_dimension_values') }} as b on d.dimension = b.dimension and d.raw_value = b.raw_value
group by e.person_key, e.day, b.dimension, b.dimension_value
