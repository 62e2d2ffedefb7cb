-- depends_on: {{ ref('int_touched_events') }}
-- depends_on: {{ ref('int_kept_events') }}
-- depends_on: {{ ref('int_changed_days') }}
{#- Persons with the days and sessions of theirs that this run writes again: as they were, and as they are now. #}
{% if is_whole_build() %}
    select person_key, day, session_key from {{ ref('int_touched_events') }} where false
{% else %}
    select person_key, day, session_key from build_intermediate.int_events
    where day in (select d.day from {{ ref('int_changed_days') }} as d) and person_key is not null
    union
    select person_key, day, session_key from {{ ref('int_kept_events') }}
    where person_key is not null
    union
    select person_key, day, session_key from {{ ref('int_touched_events') }}
    where person_key is not null
{% endif %}
