{#- (dimension, raw_value) of an event: the total, and each dimension of the plan (or those named) with its value. #}
{% macro event_dimensions(names=none) -%}
    (
        values ('all', 'all')
        {%- for d in plan_dimensions() if names is none or d['dimension'] in names %},
        ('{{ d['dimension'] }}', coalesce({{ d['expression_sql'] }}::text, '(none)'))
        {%- endfor %}
    ) as d (dimension, raw_value)
{%- endmacro %}

{#- The same of a row that keeps its values as jsonb; what stands for no value is said by the caller. #}
{% macro kept_dimensions(column, absent='(none)', names=none) -%}
    (
        values ('all', 'all')
        {%- for d in plan_dimensions() if names is none or d['dimension'] in names %},
        ('{{ d['dimension'] }}', coalesce({{ column }} ->> '{{ d['dimension'] }}', '{{ absent }}'))
        {%- endfor %}
    ) as d (dimension, raw_value)
{%- endmacro %}

{#- Names of the dimensions by which some KPI divides one of the measures. #}
{% macro used_dimensions(measures) -%}
    {%- set names = [] -%}
    {%- for m in measures -%}
        {%- for name in m['dimensions'] if name not in names -%}{%- do names.append(name) -%}{%- endfor -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}

{#- Whether a KPI divides the measure by the dimension of the row. #}
{% macro is_used(measure, dimension='dimension') -%}
    {{ dimension }} in ('all'{% for name in measure['dimensions'] %}, '{{ name }}'{% endfor %})
{%- endmacro %}
