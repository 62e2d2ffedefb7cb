{#- How many periods of a grain lie between two first days. #}
{% macro periods_between(first, last, grain) -%}
    {%- if grain == 'month' -%}
        ((extract(year from {{ last }}) - extract(year from {{ first }})) * 12
        + extract(month from {{ last }}) - extract(month from {{ first }}))::integer
    {%- elif grain == 'week' -%}
        (({{ last }} - {{ first }}) / 7)
    {%- else -%}
        ({{ last }} - {{ first }})
    {%- endif -%}
{%- endmacro %}
