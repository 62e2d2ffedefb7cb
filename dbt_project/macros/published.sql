{#- Whether a published table is there to compare with. On the first build, and while parsing, it is not. #}
{% macro published_exists(name) -%}
    {%- if not execute -%}{{ return(false) }}{%- endif -%}
    {{ return(run_query("select to_regclass('marts." ~ name ~ "') is not null").rows[0][0]) }}
{%- endmacro %}
