{{ incremental_by('person_dimension', indexes=[{'columns': ['day']}, {'columns': ['person_key', 'day']}]) }}

with events as (
    {{ events_of_person_days() }}
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
where e.is_activity and e.person_key is not null
group by e.day, e.person_key, b.dimension, b.dimension_value
{#- In the order of days, so that a day lies on few pages. #}
order by e.day
