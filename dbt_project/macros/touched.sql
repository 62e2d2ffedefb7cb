{#-
Which rows of an incremental model a run replaces: those of the touched persons, or of the touched days. The same
predicate deletes from the build table, limits what the model computes, and limits what publishing copies, so that a row
whose reason has gone goes too. A model names its predicate in its config: touched='person', 'day', 'window' and so on.
-#}

{% macro touched(kind, of='') -%}
    {%- if kind == 'identity' -%}
        'a:' || anonymous_id in (select raw_key from {{ ref('int_touched_ids') }})
    {%- elif kind == 'person' -%}
        {{ of }}person_key in (select person_key from {{ ref('int_touched_persons') }})
    {%- elif kind == 'event' -%}
        (
            person_key in (select person_key from {{ ref('int_touched_persons') }})
            or (person_key is null and day in (select day from {{ ref('int_ledger_days') }}))
        )
    {%- elif kind == 'base_day' -%}
        day in (select day from {{ ref('int_touched_base_days') }})
    {%- elif kind == 'day' -%}
        day in (select day from {{ ref('int_touched_days') }} where not is_window)
    {%- elif kind == 'window' -%}
        day in (select day from {{ ref('int_touched_days') }})
    {%- elif kind == 'period' -%}
        period_date in (select day from {{ ref('int_touched_days') }})
    {%- else -%}
        {{ exceptions.raise_compiler_error("unknown kind of touched rows: " ~ kind) }}
    {%- endif -%}
{%- endmacro %}

{#- The predicate is worked out in any case, so that dbt learns of the models that it reads. #}
{% macro where_touched(kind) -%}
    {%- set predicate = touched(kind) -%}
    {%- if is_incremental() -%} {{ predicate }} {%- else -%} true {%- endif -%}
{%- endmacro %}

{% macro get_incremental_touched_sql(arg_dict) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) %}
    delete from {{ arg_dict['target_relation'] }} where {{ touched(config.require('touched')) }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}
