{{ config(materialized='incremental', incremental_strategy='touched', touched='identity', contract={'enforced': true}) }}

select
    anonymous_id,
    'u:' || user_id as person_key,
    linked_at
from {{ ref('int_identity') }}
where {{ where_touched('identity') }}
