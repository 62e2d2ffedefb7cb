{#-
Which rows of an incremental model a run replaces. Each kind is a list of pairs, keys and condition: a row t is touched where a
key r of one of the pairs meets the condition. Keys are distinct, and a row meets one key of a pair at most. The same rows are
deleted from the build table, computed again, and copied when the build is published (modelling/publish.py names the same
kinds), so that a row whose reason has gone goes too.
-#}
{% macro touched(kind, t='t') -%}
    {%- set by_day = t ~ ".day = r.day" -%}
    {%- set by_event = by_day ~ " and " ~ t ~ ".person_key = r.person_key and " ~ t ~ ".occurred_at = r.occurred_at and " ~ t ~ ".event_id = r.event_id" -%}
    {%- if kind == 'changed_day' -%}
        {{ return([("select day from " ~ ref('int_changed_days'), by_day)]) }}
    {%- elif kind == 'identity' -%}
        {{ return([("select anonymous_id from " ~ ref('int_touched_ids'), t ~ ".anonymous_id = r.anonymous_id")]) }}
    {%- elif kind == 'event' -%}
        {{ return([
            ("select day from " ~ ref('int_changed_days'), by_day),
            ("select person_key, day, occurred_at, event_id from " ~ ref('int_kept_events'), by_event),
            ("select new_person_key as person_key, day, occurred_at, event_id from " ~ ref('int_kept_events'), by_event),
        ]) }}
    {%- elif kind == 'session' -%}
        {{ return([(
            "select distinct person_key, session_key from " ~ ref('int_touched_keys'),
            t ~ ".person_key = r.person_key and " ~ t ~ ".session_key = r.session_key",
        )]) }}
    {%- elif kind == 'person' -%}
        {{ return([("select distinct person_key from " ~ ref('int_touched_keys'), t ~ ".person_key = r.person_key")]) }}
    {%- elif kind == 'person_day' -%}
        {{ return([("select distinct person_key, day from " ~ ref('int_touched_keys'), t ~ ".person_key = r.person_key and " ~ by_day)]) }}
    {%- elif kind == 'person_dimension' -%}
        {{ return([(days_touched('events'), by_day), touched('person_day', t)[0]]) }}
    {%- elif kind == 'measure' -%}
        {{ return([
            (days_touched('events'), t ~ ".relation = 'events' and " ~ by_day),
            (days_touched('sessions'), t ~ ".relation = 'sessions' and " ~ by_day),
        ]) }}
    {%- elif kind in ('events', 'persons', 'sessions', 'window') -%}
        {{ return([(days_touched(kind), by_day)]) }}
    {%- elif kind == 'flow' -%}
        {{ return([("select distinct day from " ~ ref('int_touched_days') ~ " where reason in ('persons', 'sessions')", by_day)]) }}
    {%- elif kind == 'session_value' -%}
        {{ return([("select day from " ~ ref('int_touched_session_days'), by_day)]) }}
    {%- elif kind == 'period' -%}
        {{ return([("select grain, period_date from " ~ ref('int_touched_periods'), t ~ ".grain = r.grain and " ~ t ~ ".period_date = r.period_date")]) }}
    {%- elif kind == 'lifecycle' -%}
        {{ return([("select grain, period_start from " ~ ref('int_touched_lifecycle'), t ~ ".grain = r.grain and " ~ t ~ ".period_start = r.period_start")]) }}
    {%- elif kind == 'person_period' -%}
        {{ return([(
            "select retention, person_key, period_start from " ~ ref('int_touched_person_periods'),
            t ~ ".retention = r.retention and " ~ t ~ ".person_key = r.person_key and " ~ t ~ ".period_start = r.period_start",
        )]) }}
    {%- elif kind == 'attempt' -%}
        {{ return([(
            "select funnel, person_key, first_day, last_day from " ~ ref('int_touched_entries'),
            t ~ ".funnel = r.funnel and " ~ t ~ ".person_key = r.person_key and " ~ t ~ ".entry_day between r.first_day and r.last_day",
        )]) }}
    {%- elif kind == 'entry_day' -%}
        {{ return([("select funnel, entry_day from " ~ ref('int_touched_entry_days'), t ~ ".funnel = r.funnel and " ~ t ~ ".entry_day = r.entry_day")]) }}
    {%- elif kind == 'credit' -%}
        {{ return([(
            "select conversion, person_key, first_day, last_day from " ~ ref('int_touched_credits'),
            t ~ ".conversion = r.conversion and " ~ t ~ ".person_key = r.person_key and " ~ t ~ ".day between r.first_day and r.last_day",
        )]) }}
    {%- elif kind == 'retention_cell' -%}
        {{ return([(
            "select retention, cohort_start, dimension, raw_value, period from " ~ ref('int_retention_changes'),
            t ~ ".retention = r.retention and " ~ t ~ ".cohort_start = r.cohort_start and " ~ t ~ ".dimension = r.dimension and "
            ~ t ~ ".raw_value = r.raw_value and " ~ t ~ ".period = r.period",
        )]) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error("unknown kind of touched rows: " ~ kind) }}
    {%- endif -%}
{%- endmacro %}

{% macro days_touched(reason) -%}
    {{ return("select day from " ~ ref('int_touched_days') ~ " where reason = '" ~ reason ~ "'") }}
{%- endmacro %}

{#- Whether the row t is touched. #}
{% macro is_touched(kind, t='t') -%}
    {%- for keys, condition in touched(kind, t) %}
        {%- if not loop.first %} or {% endif %}exists (select 1 from ({{ keys }}) as r where {{ condition }})
    {%- endfor -%}
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

{#- The touched rows of a relation, each once. The keys are worked out in any case, so that dbt learns what they read. #}
{% macro touched_rows(relation, kind) -%}
    {%- set pairs = touched(kind) -%}
    {%- if is_whole() -%}
        select t.* from {{ relation }} as t
    {%- elif pairs | length == 1 -%}
        {{ rows_of_keys(relation, *pairs[0]) }}
    {%- else -%}
        select t.* from {{ relation }} as t where t.ctid = any(array({{ touched_places(relation, kind) }}))
    {%- endif -%}
{%- endmacro %}

{% macro touched_places(relation, kind) -%}
    {%- for keys, condition in touched(kind) %}
        {%- if not loop.first %} union {% endif %}{{ rows_of_keys(relation, keys, condition, 'ctid') }}
    {%- endfor -%}
{%- endmacro %}

{#-
The rows t of a relation that meet a condition with a row r of the keys. Key by key through an index, whatever the planner
thinks of their number: what a run reads grows with what it touches, not with the table.
-#}
{% macro rows_of_keys(relation, keys, condition, columns='*') -%}
    select found.{{ columns }}
    from ({{ keys }}) as r
    cross join lateral (
        select t.{{ columns }} from {{ relation }} as t where {{ condition }} offset 0
    ) as found
{%- endmacro %}

{% macro get_incremental_touched_sql(arg_dict) %}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) %}
    {%- set target = arg_dict['target_relation'] %}
    {%- if is_whole() %}
        truncate {{ target }};
    {%- else %}
        delete from {{ target }} as d where d.ctid = any(array({{ touched_places(target, config.require('touched')) }}));
    {%- endif %}
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{% endmacro %}

{#- The rows of some days; of a model that is computed whole, all rows. #}
{% macro rows_of_days(relation, days) -%}
    {%- if is_whole() -%}
        select t.* from {{ relation }} as t
    {%- else -%}
        {{ rows_of_keys(relation, days, 't.day = r.day') }}
    {%- endif -%}
{%- endmacro %}

{#- The events that a model reads: all of them, or those that this run has written. #}
{% macro events_of_run(kind) -%}
    {%- set all, fresh, _ = ref('int_events'), ref('int_touched_events'), touched(kind) -%}
    {{ return(all if is_whole() else fresh) }}
{%- endmacro %}

{#- The events of the touched days and of the touched pairs of person and day. #}
{% macro events_of_person_days() -%}
    {%- set all, day_keys, keys = ref('int_events'), days_touched('events'), ref('int_touched_keys') -%}
    {%- if is_whole() -%}
        select * from {{ all }}
    {%- else -%}
        {%- set other_keys %}
            select
                k.person_key,
                {{ day_start('k.day') }} as starts_at,
                {{ day_start('k.day + 1') }} as ends_at
            from (select distinct person_key, day from {{ keys }}) as k
            where k.day not in ({{ day_keys }})
        {%- endset %}
        {{ rows_of_keys(all, day_keys, 't.day = r.day') }}
        union all
        {{ rows_of_keys(
            all, other_keys, 't.person_key = r.person_key and t.occurred_at >= r.starts_at and t.occurred_at < r.ends_at'
        ) }}
    {%- endif -%}
{%- endmacro %}
