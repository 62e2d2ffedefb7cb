{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    touched='person',
    contract={'enforced': true},
    indexes=[{'columns': ['person_key'], 'unique': true}]
) }}

with events as (
    select * from {{ ref('int_events') }}
    where person_key is not null and {{ where_touched('person') }}
)

select
    person_key,
    case when person_key like 'u:%' then substr(person_key, 3) end as user_id,
    min(occurred_at) as first_seen_at,
    max(occurred_at) as last_seen_at,
    count(*) as events,
    count(distinct day) filter (where is_activity) as active_days,
    {{ first_dimension_values('occurred_at, event_id') }} as dimensions
from events
group by person_key
