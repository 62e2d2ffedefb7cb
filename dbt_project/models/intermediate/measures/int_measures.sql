{{ incremental_by('measure', indexes=[{'columns': ['day']}]) }}

{#- Measures that add up from day to day: over events, and over sessions by the day of their start. -#}
{%- set sources = [
    ('events', ref('int_events'), event_dimensions(used_dimensions(plan_measures('events')))),
    ('sessions', ref('fct_sessions'), kept_dimensions('e.dimensions')),
] %}
{%- set buckets = ref('dim_dimension_values') %}

{% for relation, table, dimensions in sources %}
    {%- set measures = plan_measures(relation) %}
    select
        {{ relation }}_totals.day,
        {{ relation }}_totals.dimension,
        {{ relation }}_totals.dimension_value,
        '{{ relation }}' as relation,
        m.measure,
        m.value
    from (
        select
            e.day,
            b.dimension,
            b.dimension_value
            {{- measure_columns(measures) }}
        from ({{ touched_rows(table, relation) }}) as e
        cross join lateral {{ dimensions }}
        inner join {{ buckets }} as b on d.dimension = b.dimension and d.raw_value = b.raw_value
        group by e.day, b.dimension, b.dimension_value
    ) as {{ relation }}_totals
    cross join lateral {{ measure_rows(measures, relation ~ '_totals') }}
    where m.value <> 0 and m.is_used
    {{ 'union all' if not loop.last }}
{% endfor %}
