-- depends_on: {{ ref('int_kept_events') }}
{{ config(post_hook='analyze {{ this }}') }}

-- Every event that this run places anew.
with placed as (
    select {{ event_columns() }}, person_key, is_activity, is_page from {{ ref('int_new_events') }}
    union all
    select {{ event_columns() }}, new_person_key as person_key, is_activity, is_page from {{ ref('int_kept_events') }}
),

{{ sessionized('placed') }}

select * from sessionized
