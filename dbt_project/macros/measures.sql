{#- One column a measure: its aggregate over the rows of a group. #}
{% macro measure_columns(measures) -%}
    {%- for m in measures %},
    ({{ m['expression_sql'] }})::numeric as "{{ m['measure'] }}"
    {%- endfor %}
{%- endmacro %}

{#- Those columns as rows m (measure, value, is_used): a KPI divides the measure by the dimension of the row. #}
{% macro measure_rows(measures, totals) -%}
    (
        values (null::text, null::numeric, false)
        {%- for m in measures %},
        ('{{ m['measure'] }}', {{ totals }}."{{ m['measure'] }}", {{ is_used(m, totals ~ '.dimension') }})
        {%- endfor %}
    ) as m (measure, value, is_used)
{%- endmacro %}
