{{ config(post_hook='analyze {{ this }}') }}

-- Staged events of the changed days, read from raw once. Day by day, so that no other partition is opened.
select s.*
from {{ ref('int_changed_days') }} as d
cross join lateral (
    select * from {{ ref('stg_raw__events') }} as e
    where e.occurred_at >= d.starts_at and e.occurred_at < d.ends_at
    offset 0
) as s
where {{ 'false' if is_whole_build() else 'true' }}
{% if not is_whole_build() %}{{ departed_events(ref('int_changed_days')) }}{% endif %}
