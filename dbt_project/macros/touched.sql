{#-
Which rows of an incremental model a run replaces. Each kind is a list of conditions, of which a row meets one or more; a
list and not an "or", so that each can use an index. The same rows are deleted from the build table, computed again, and
copied when the build is published (modelling/publish.py names the same kinds), so that a row whose reason has gone goes too.
-#}
{% macro touched(kind) -%}
    {%- if kind == 'changed_day' -%}
        {{ return(["day in (select day from " ~ ref('int_changed_days') ~ ")"]) }}
    {%- elif kind == 'identity' -%}
        {{ return(["anonymous_id in (select anonymous_id from " ~ ref('int_touched_ids') ~ ")"]) }}
    {%- elif kind == 'event' -%}
        {{ return([
            "day in (select day from " ~ ref('int_changed_days') ~ ")",
            "(person_key, event_id) in (select person_key, event_id from " ~ ref('int_kept_events') ~ ")",
            "(person_key, event_id) in (select new_person_key, event_id from " ~ ref('int_kept_events') ~ ")",
        ]) }}
    {%- elif kind == 'session' -%}
        {{ return(["(person_key, session_key) in (select person_key, session_key from " ~ ref('int_touched_keys') ~ ")"]) }}
    {%- elif kind == 'person' -%}
        {{ return(["person_key in (select person_key from " ~ ref('int_touched_keys') ~ ")"]) }}
    {%- elif kind == 'person_day' -%}
        {{ return(["(person_key, day) in (select person_key, day from " ~ ref('int_touched_keys') ~ ")"]) }}
    {%- elif kind == 'person_dimension' -%}
        {{ return([
            "day in (select day from " ~ ref('int_touched_days') ~ " where reason = 'events')",
            "(person_key, day) in (select person_key, day from " ~ ref('int_touched_keys') ~ ")",
        ]) }}
    {%- elif kind == 'measure' -%}
        {{ return([
            "relation = 'events' and day in (select day from " ~ ref('int_touched_days') ~ " where reason = 'events')",
            "relation = 'sessions' and day in (select day from " ~ ref('int_touched_days') ~ " where reason = 'sessions')",
        ]) }}
    {%- elif kind in ('events', 'persons', 'sessions', 'window') -%}
        {{ return(["day in (select day from " ~ ref('int_touched_days') ~ " where reason = '" ~ kind ~ "')"]) }}
    {%- elif kind == 'flow' -%}
        {{ return(["day in (select day from " ~ ref('int_touched_days') ~ " where reason in ('persons', 'sessions'))"]) }}
    {%- elif kind == 'session_value' -%}
        {{ return(["day in (select day from " ~ ref('int_touched_session_days') ~ ")"]) }}
    {%- elif kind == 'period' -%}
        {{ return(["(grain, period_date) in (select grain, period_date from " ~ ref('int_touched_periods') ~ ")"]) }}
    {%- elif kind == 'lifecycle' -%}
        {{ return(["(grain, period_start) in (select grain, period_start from " ~ ref('int_touched_lifecycle') ~ ")"]) }}
    {%- elif kind == 'person_period' -%}
        {{ return(["(retention, person_key, period_start) in (select retention, person_key, period_start from "
            ~ ref('int_touched_person_periods') ~ ")"]) }}
    {%- elif kind == 'attempt' -%}
        {{ return([
            "exists (select 1 from " ~ ref('int_touched_entries') ~ " as r where r.funnel = t.funnel and r.person_key = t.person_key"
            ~ " and t.entry_day between r.first_day and r.last_day)",
        ]) }}
    {%- elif kind == 'entry_day' -%}
        {{ return(["(funnel, entry_day) in (select funnel, entry_day from " ~ ref('int_touched_entry_days') ~ ")"]) }}
    {%- elif kind == 'credit' -%}
        {{ return([
            "exists (select 1 from " ~ ref('int_touched_credits') ~ " as r where r.conversion = t.conversion"
            ~ " and r.person_key = t.person_key and t.day between r.first_day and r.last_day)",
        ]) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error("unknown kind of touched rows: " ~ kind) }}
    {%- endif -%}
{%- endmacro %}

{#- An incremental model that replaces the touched rows of a kind. dbt learns here what the kind reads. #}
{% macro incremental_by(kind, indexes=[]) -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='touched',
        touched=kind,
        indexes=indexes,
        post_hook="{{ 'analyze ' ~ this if flags.FULL_REFRESH or this.name in rebuilt_models() else '' }}"
    ) }}
    {%- set _ = touched(kind) -%}
{%- endmacro %}

{#- Whether this model is computed for all of history: a full refresh, its first time, or a change of the plan. #}
{% macro is_whole() -%}
    {{ return(not is_incremental() or this.name in rebuilt_models()) }}
{%- endmacro %}

{#- The same for the tables that say what is touched: they say nothing when the events themselves are built whole. #}
{% macro is_whole_build() -%}
    {%- if not execute -%}{{ return(false) }}{%- endif -%}
    {%- set exists = run_query("select to_regclass('build_intermediate.int_events') is not null").rows[0][0] -%}
    {{ return(flags.FULL_REFRESH or not exists or 'int_events' in rebuilt_models()) }}
{%- endmacro %}

{% macro rebuilt_models() -%}
    {%- if not execute -%}{{ return([]) }}{%- endif -%}
    {{ return(run_query("select unnest(rebuilt) from ops.current_build").columns[0].values() | list) }}
{%- endmacro %}

{#- The touched rows of a relation, each once. The conditions are worked out in any case, so that dbt learns what they read. #}
{% macro touched_rows(relation, kind) -%}
    {%- set conditions = touched(kind) -%}
    {%- if is_whole() -%}
        select t.* from {{ relation }} as t
    {%- elif conditions | length == 1 -%}
        select t.* from {{ relation }} as t where {{ conditions[0] }}
    {%- else -%}
        select t.* from {{ relation }} as t where t.ctid = any(array({{ touched_places(relation, conditions) }}))
    {%- endif -%}
{%- endmacro %}

{% macro touched_places(relation, conditions) -%}
    {%- for condition in conditions %}
        {%- if not loop.first %} union {% endif %}select t.ctid from {{ relation }} as t where {{ condition }}
    {%- endfor -%}
{%- endmacro %}

{% macro get_incremental_touched_sql(arg_dict) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) %}
    {%- set target = arg_dict['target_relation'] %}
    {%- set conditions = touched(config.require('touched')) %}
    {%- if is_whole() %}
        truncate {{ target }};
    {%- else %}
        delete from {{ target }} as d where d.ctid = any(array({{ touched_places(target, conditions) }}));
    {%- endif %}
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}

{#- The events that a model reads: all of them, or those that this run has written. #}
{% macro events_of_run(kind) -%}
    {%- set all, fresh, _ = ref('int_events'), ref('int_touched_events'), touched(kind) -%}
    {{ return(all if is_whole() else fresh) }}
{%- endmacro %}

{#- The events of the touched days and of the touched pairs of person and day. #}
{% macro events_of_person_days() -%}
    {%- set all, days, keys = ref('int_events'), ref('int_touched_days'), ref('int_touched_keys') -%}
    {%- if is_whole() -%}
        select * from {{ all }}
    {%- else -%}
        select * from {{ all }} where day in (select day from {{ days }} where reason = 'events')
        union all
        select e.*
        from {{ all }} as e
        inner join (
            select distinct person_key, day from {{ keys }}
            where day not in (select day from {{ days }} where reason = 'events')
        ) as k on e.person_key = k.person_key and e.day = k.day
    {%- endif -%}
{%- endmacro %}
