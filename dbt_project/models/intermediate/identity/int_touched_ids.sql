-- depends_on: {{ ref('int_changed_days') }}
-- depends_on: {{ ref('int_links') }}
{{ config(post_hook='analyze {{ this }}') }}

{#- Visitors with a link on a changed day, now or before; int_identity is read by name, as the last build left it. #}
{% if is_whole_build() %}
    select null::text as anonymous_id, null::text as previous_user_id where false
{% else %}
    with ids as (
        select l.anonymous_id from {{ ref('int_links') }} as l
        where l.day in (select d.day from {{ ref('int_changed_days') }} as d)
        union
        select p.anonymous_id from build_intermediate.int_identity as p
        where p.linked_on in (select d.day from {{ ref('int_changed_days') }} as d)
    )

    select
        ids.anonymous_id,
        p.user_id as previous_user_id
    from ids
    left join build_intermediate.int_identity as p on ids.anonymous_id = p.anonymous_id
{% endif %}
