-- depends_on: {{ ref('int_touched_keys') }}
{{ incremental_by('person_period', indexes=[{'columns': ['person_key', 'retention', 'period_start']}]) }}

{%- set whole, touched_periods, days = is_whole(), touched('person_period'), ref('int_retention_days') %}

{% for r in plan_rows('retentions', 'retention') %}
    select
        retention,
        person_key,
        period_start,
        min(started_at) as started_at,
        bool_or(returned) as returned
    from (
        select
            d.*,
            {{ period_start('d.day', r['grain']) }} as period_start
        from {{ days }} as d
        where
            d.retention = '{{ r['retention'] }}'
            {{ '' if whole else 'and d.person_key in (select k.person_key from ' ~ ref('int_touched_keys') ~ ' as k)' }}
    ) as d
    where {{ 'true' if whole else touched_periods[0] }}
    group by retention, person_key, period_start
    union all
{% endfor %}
select
    null::text as retention,
    null::text as person_key,
    null::date as period_start,
    null::timestamptz as started_at,
    false as returned
where false
