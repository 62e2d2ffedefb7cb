-- depends_on: {{ ref('int_changed_days') }}
-- depends_on: {{ ref('int_identity') }}
with staged as (
    select s.*
    from {{ ref('int_changed_days') }} as d
    inner join {{ ref('stg_raw__events') }} as s on s.occurred_at >= d.starts_at and s.occurred_at < d.ends_at
    where {{ 'false' if is_whole_build() else 'true' }}
)

{{ identified_events('staged') }}
