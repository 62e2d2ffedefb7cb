-- Periods of a person whose retention this run looks at again.
{% for r in plan_rows('retentions', 'retention') %}
    select
        '{{ r['retention'] }}' as retention,
        person_key,
        {{ period_start('day', r['grain']) }} as period_start
    from {{ ref('int_touched_keys') }}
    union
{% endfor %}
select null::text as retention, person_key, day as period_start from {{ ref('int_touched_keys') }} where false
