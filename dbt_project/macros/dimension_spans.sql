{#- (dimension, dimension_value, day): the days on which a series has a row. The total runs to as_of, a value to 28 days after it was last seen. Aliases as in calendar_periods. #}
{% macro dimension_span_days(relation) -%}
    select
        seen.dimension,
        seen.dimension_value,
        g.at::date as day
    from (
        select
            dimension,
            dimension_value,
            min(first_day) as first_day,
            case when dimension = 'all' then {{ as_of_day() }} else least(max(last_day) + 28, {{ as_of_day() }}) end as last_day
        from {{ relation }}
        group by dimension, dimension_value
    ) as seen
    cross join lateral generate_series(seen.first_day::timestamp, seen.last_day::timestamp, interval '1 day') as g (at)
{%- endmacro %}
