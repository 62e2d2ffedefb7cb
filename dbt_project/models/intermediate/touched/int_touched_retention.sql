-- depends_on: {{ ref('int_touched_person_periods') }}
{#-
From which period on the retention of a touched person is counted again. Of recurring retention over calendar periods, a
cohort is left as it is where the person came back later than its last cell before the first touched period; of any other,
and where a person's values divide the cells, all of the person's history is counted. int_retention_periods is read by name,
as the last build left it: what lies before the first touched period is the same after this run.
-#}
{% if is_whole_build() %}
    select null::text as retention, null::text as person_key, null::date as first_period where false
{% else %}
    {% for r in plan_rows('retentions', 'retention') %}
        select
            '{{ r['retention'] }}' as retention,
            k.person_key,
            {% if r['mode'] == 'recurring' and not r['is_rolling'] and not r['dimensions'] %}
                coalesce(
                    (
                        select max(p.period_start) from build_intermediate.int_retention_periods as p
                        where
                            p.person_key = k.person_key
                            and p.retention = '{{ r['retention'] }}'
                            and p.period_start < min(k.period_start)
                            and p.returned
                    ) - interval '{{ r['periods'] | int }} {{ r['grain'] }}',
                    '-infinity'
                )::date as first_period
            {% else %}
                '-infinity'::date as first_period
            {% endif %}
        from {{ ref('int_touched_person_periods') }} as k
        where k.retention = '{{ r['retention'] }}'
        group by k.person_key
        union all
    {% endfor %}
    select null::text as retention, null::text as person_key, null::date as first_period where false
{% endif %}
