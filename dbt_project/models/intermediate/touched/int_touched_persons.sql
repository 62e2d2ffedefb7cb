{#- marts.dim_identities is read by name: it is what readers have now, and naming it by ref would make a circle. #}
with ids as (
    select raw_key from {{ ref('int_touched_ids') }}
)

select raw_key as person_key from ids
union
select 'u:' || i.user_id
from {{ ref('int_identity') }} as i
where 'a:' || i.anonymous_id in (select ids.raw_key from ids)
{% if published_exists('dim_identities') %}
    union
    select p.person_key
    from marts.dim_identities as p
    where 'a:' || p.anonymous_id in (select ids.raw_key from ids)
{% endif %}
