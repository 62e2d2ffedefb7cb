-- depends_on: {{ ref('int_touched_periods') }}
{{ incremental_by(
    'period',
    indexes=[{'columns': ['kpi_name', 'grain', 'dimension', 'dimension_value', 'period_date']}, {'columns': ['period_date', 'grain']}]
) }}

{%- set kpis, whole = plan_rows('kpis', 'position'), is_whole() %}
{%- set values = ref('int_period_measures') %}

with spans as (
    {{ dimension_span_days(ref('dim_dimension_values')) }}
),

periods as (
    {% for grain in ['day', 'week', 'month'] %}
        select distinct
            '{{ grain }}' as grain,
            {{ period_start('day', grain) }} as period_date,
            dimension,
            dimension_value
        from spans
        union all
    {% endfor %}
    select null::text as grain, null::date as period_date, null::text as dimension, null::text as dimension_value
    where false
),

shown as (
    select
        p.grain,
        {{ day_start('p.period_date') }} as period_start,
        p.period_date,
        p.dimension,
        p.dimension_value,
        case p.grain
            when 'day' then {{ day_start('p.period_date + 1') }}
            when 'week' then {{ day_start('p.period_date + 7') }}
            else {{ day_start("(p.period_date + interval '1 month')::date") }}
        end as ends_at
    from periods as p
    where {{ 'true' if whole else '(p.grain, p.period_date) in (select t.grain, t.period_date from ' ~ ref('int_touched_periods') ~ ' as t)' }}
    {% if 'hour' in (kpis | map(attribute='grains') | sum(start=[])) %}
        union all
        select
            'hour',
            h.at,
            s.day,
            s.dimension,
            s.dimension_value,
            h.at + interval '1 hour'
        from spans as s
        cross join lateral generate_series(
            {{ day_start('s.day') }}, least({{ day_start('s.day + 1') }} - interval '1 hour', {{ as_of() }}), interval '1 hour'
        ) as h (at)
        where {{ 'true' if whole else "('hour', s.day) in (select t.grain, t.period_date from " ~ ref('int_touched_periods') ~ ' as t)' }}
    {% endif %}
),

wide as (
    select
        s.grain,
        s.period_start,
        s.period_date,
        s.dimension,
        s.dimension_value,
        s.ends_at
        {%- for m in plan_rows('measures', 'measure') %},
        {%- if m['percentile'] is none %}
        coalesce(sum(m.value) filter (where m.measure = '{{ m['measure'] }}'), 0) as "{{ m['measure'] }}"
        {%- else %}
        max(m.value) filter (where m.measure = '{{ m['measure'] }}') as "{{ m['measure'] }}"
        {%- endif %}
        {%- endfor %}
    from shown as s
    left join ({{ touched_rows(values, 'period') }}) as m
        on
            s.grain = m.grain
            and s.period_date = m.period_date
            and s.period_start = m.period_start
            and s.dimension = m.dimension
            and s.dimension_value = m.dimension_value
    group by s.grain, s.period_start, s.period_date, s.dimension, s.dimension_value, s.ends_at
)

select
    k.kpi_name,
    w.grain,
    w.period_start,
    w.period_date,
    w.dimension,
    w.dimension_value,
    k.numerator,
    k.denominator,
    case when k.is_ratio then k.numerator / nullif(k.denominator, 0) else k.numerator end as value,
    w.ends_at > {{ as_of() }} as is_partial,
    c.definition_hash
from wide as w
cross join lateral (
    values (null::text, null::numeric, null::numeric, null::boolean)
    {%- for k in kpis %},
    (
        '{{ k['kpi_name'] }}',
        ({{ k['numerator_sql'] }})::numeric,
        ({{ k['denominator_sql'] or 'null' }})::numeric,
        {{ 'true' if k['denominator_sql'] else 'false' }}
    )
    {%- endfor %}
) as k (kpi_name, numerator, denominator, is_ratio)
inner join {{ source('config', 'kpis') }} as c on k.kpi_name = c.kpi_name
where w.grain = any(c.grains) and (w.dimension = 'all' or w.dimension = any(c.dimensions))
