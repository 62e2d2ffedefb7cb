{#- (dimension, raw_value) of an event: the total, and each dimension of the plan with its value. #}
{% macro event_dimensions() -%}
    (
        values ('all', 'all')
        {%- for d in plan_dimensions() %},
        ('{{ d['dimension'] }}', coalesce({{ d['expression_sql'] }}::text, '(none)'))
        {%- endfor %}
    ) as d (dimension, raw_value)
{%- endmacro %}

{#- The same of a row that keeps its values as jsonb; what stands for no value is said by the caller. #}
{% macro kept_dimensions(column, absent='(none)') -%}
    (
        values ('all', 'all')
        {%- for d in plan_dimensions() %},
        ('{{ d['dimension'] }}', coalesce({{ column }} ->> '{{ d['dimension'] }}', '{{ absent }}'))
        {%- endfor %}
    ) as d (dimension, raw_value)
{%- endmacro %}
