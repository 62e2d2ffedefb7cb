{{ incremental_by('person_dimension', indexes=[{'columns': ['day']}, {'columns': ['person_key', 'day']}]) }}

{#- Bit n of measures (the first is 0) tells whether the person met the n-th measure that counts persons, by name. -#}
{%- set measures = plan_measures('persons') %}
{%- set buckets = ref('dim_dimension_values') %}

with events as (
    {{ events_of_person_days() }}
)

{% if measures %}
    select
        e.person_key,
        e.day,
        b.dimension,
        b.dimension_value,
        bit_or(
            (
                {%- for m in measures %}
                (coalesce({{ m['condition_sql'] }}, false))::integer::bit(1){{ ' ||' if not loop.last }}
                {%- endfor %}
            )::bit({{ measures | length }})
        ) as measures
    from events as e
    cross join lateral {{ event_dimensions(used_dimensions(measures)) }}
    inner join {{ buckets }} as b on d.dimension = b.dimension and d.raw_value = b.raw_value
    where
        e.person_key is not null
        and (
            {%- for m in measures %}
            {{ 'or ' if not loop.first }}({{ m['condition_sql'] }})
            {%- endfor %}
        )
    group by e.day, e.person_key, b.dimension, b.dimension_value
    {#- In the order of days, so that a day lies on few pages. #}
    order by e.day
{% else %}
    select person_key, day, 'all' as dimension, 'all' as dimension_value, b'0' as measures from events
    where false
{% endif %}
