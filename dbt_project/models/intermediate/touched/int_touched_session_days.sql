-- depends_on: {{ ref('int_touched_keys') }}
{#- Local days on which a session begins that this run writes again, before or now. #}
select n.day from {{ ref('fct_sessions') }} as n
where (n.person_key, n.session_key) in (select k.person_key, k.session_key from {{ ref('int_touched_keys') }} as k)
{% if published_exists('fct_sessions') %}
    union
    select p.day from marts.fct_sessions as p
    where (p.person_key, p.session_key) in (select k.person_key, k.session_key from {{ ref('int_touched_keys') }} as k)
{% endif %}
