-- depends_on: {{ ref('int_touched_events') }}
-- depends_on: {{ ref('int_touched_keys') }}
{{ incremental_by(
    'event',
    indexes=[{'columns': ['day']}, {'columns': ['person_key', 'chain']}, {'columns': ['person_key', 'occurred_at']}, {'columns': ['anonymous_id']}]
) }}

{%- set staged, fresh = ref('stg_raw__events'), ref('int_touched_events') %}
{%- set events %}
    (
        select * from {{ staged }}
        {{ departed_events() }}
    )
{%- endset %}

{% if is_whole() %}
    with identified as (
        {{ identified_events(events) }}
    ),

    placed as (
        select {{ event_columns() }}, person_key, is_activity, is_page from identified
    ),

    {{ sessionized('placed') }}

    -- In the order of days, so that a day lies on few pages.
    select * from sessionized
    order by day
{% else %}
    select * from {{ fresh }}
{% endif %}
