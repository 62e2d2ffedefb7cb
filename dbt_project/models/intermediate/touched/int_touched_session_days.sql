-- depends_on: {{ ref('int_touched_keys') }}
{#- Local days on which a session begins that this run writes again, before or now. #}
select n.day from ({{ rows_of_keys(ref('fct_sessions'), *touched('session')[0]) }}) as n
{% if published_exists('fct_sessions') %}
    union
    select p.day from ({{ rows_of_keys('marts.fct_sessions', *touched('session')[0]) }}) as p
{% endif %}
