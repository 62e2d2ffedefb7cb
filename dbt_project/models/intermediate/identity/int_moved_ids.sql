{{ config(post_hook='analyze {{ this }}') }}

select
    t.anonymous_id,
    i.user_id
from {{ ref('int_touched_ids') }} as t
left join {{ ref('int_identity') }} as i on t.anonymous_id = i.anonymous_id
where i.user_id is distinct from t.previous_user_id
