{{ config(materialized='incremental', incremental_strategy='touched', touched='identity') }}

{%- set mode = plan_row()['identity_mode'] %}

with links as (
    select
        anonymous_id,
        user_id,
        occurred_at,
        event_id
    from {{ ref('stg_raw__events') }}
    where
        user_id is not null
        and anonymous_id is not null
        and {{ where_touched('identity') }}
        and {{ 'false' if mode == 'none' else 'true' }}
),

final as (
    select distinct on (anonymous_id)
        anonymous_id,
        user_id,
        occurred_at as linked_at
    from links
    order by
        anonymous_id asc,
        occurred_at {{ 'asc' if mode == 'first_known' else 'desc' }},
        event_id {{ 'asc' if mode == 'first_known' else 'desc' }}
)

select * from final
