{{ incremental_by('person_period', indexes=[{'columns': ['person_key', 'retention', 'period_start']}]) }}

{%- set whole, periods, days = is_whole(), ref('int_touched_person_periods'), ref('int_retention_days') %}

{% for r in plan_rows('retentions', 'retention') %}
    {%- set touched_periods %}
        select
            k.person_key,
            k.period_start,
            {{ next_period('k.period_start', r['grain']) }} as next_start
        from {{ periods }} as k
        where k.retention = '{{ r['retention'] }}'
    {%- endset %}
    {%- set condition = "t.person_key = r.person_key and t.day >= r.period_start and t.day < r.next_start and t.retention = '" ~ r['retention'] ~ "'" %}
    select
        retention,
        person_key,
        {{ period_start('d.day', r['grain']) }} as period_start,
        min(started_at) as started_at,
        bool_or(returned) as returned
    from ({{ 'select * from ' ~ days if whole else rows_of_keys(days, touched_periods, condition) }}) as d
    where d.retention = '{{ r['retention'] }}'
    group by 1, 2, 3
    union all
{% endfor %}
select
    null::text as retention,
    null::text as person_key,
    null::date as period_start,
    null::timestamptz as started_at,
    false as returned
where false
