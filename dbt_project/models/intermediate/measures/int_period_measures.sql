-- depends_on: {{ ref('int_touched_days') }}
-- depends_on: {{ ref('fct_active_users') }}
-- depends_on: {{ ref('fct_person_days') }}
-- depends_on: {{ ref('fct_sessions') }}
-- depends_on: {{ ref('int_events') }}
{{ incremental_by('period', indexes=[{'columns': ['period_date', 'grain']}]) }}

{#-
Every measure of every touched period, by dimension: counted in the period, never summed from parts that overlap. What adds up
is summed over days; persons are counted once a period; items and percentiles come from the items of its days. An active-user
measure whose window is not longer than the period is the plain number of persons in it, else that of its last day.
-#}
{%- set whole = is_whole() %}
{%- set persons, items, active = plan_measures('persons'), plan_measures('items'), plan_measures('active_users') %}
{%- set hourly = plan_measures('events') + persons + items %}
{%- set ns = namespace(hourly=[]) %}
{%- for m in hourly if m['is_hourly'] %}{% set ns.hourly = ns.hourly + [m] %}{% endfor %}
{%- set sessions_hourly = namespace(found=[]) %}
{%- for m in plan_measures('sessions') if m['is_hourly'] %}{% set sessions_hourly.found = sessions_hourly.found + [m] %}{% endfor %}
{%- set buckets, period_day_keys = ref('dim_dimension_values'), 'select distinct day from period_days' %}

with days as (
    {% if whole %}
        select g.at::date as day
        from (select min(first_day) as first_day from {{ buckets }}) as f
        cross join lateral generate_series(f.first_day::timestamp, {{ as_of_day() }}::timestamp, interval '1 day') as g (at)
    {% else %}
        select distinct day from {{ ref('int_touched_days') }}
    {% endif %}
),

periods as (
    {{ calendar_periods('select day from days', ['day', 'week', 'month']) }}
),

period_days as (
    select
        p.grain,
        p.period_start,
        p.next_start,
        g.at::date as day
    from periods as p
    cross join lateral generate_series(p.period_start::timestamp, p.next_start::timestamp - interval '1 day', interval '1 day') as g (at)
),

sums as (
    select
        p.grain,
        p.period_start,
        m.dimension,
        m.dimension_value,
        m.measure,
        sum(m.value) as value
    from period_days as p
    inner join ({{ rows_of_days(ref('int_measures'), period_day_keys) }}) as m on p.day = m.day
    group by p.grain, p.period_start, m.dimension, m.dimension_value, m.measure
),

persons as (
    select
        p.grain,
        p.period_start,
        m.dimension,
        m.dimension_value,
        m.person_key,
        bit_or(m.measures) as measures
    from period_days as p
    inner join ({{ rows_of_days(ref('int_person_measures'), period_day_keys) }}) as m on p.day = m.day
    group by p.grain, p.period_start, m.dimension, m.dimension_value, m.person_key
),

person_counts as (
    select
        c.grain,
        c.period_start,
        c.dimension,
        c.dimension_value,
        m.measure,
        m.value
    from (
        select
            grain,
            period_start,
            dimension,
            dimension_value,
            array[
                {%- for m in persons %}
                count(*) filter (where get_bit(measures, {{ loop.index0 }}) = 1){{ ',' if not loop.last }}
                {%- endfor %}
            ]::bigint[] as counts
        from persons
        group by grain, period_start, dimension, dimension_value
    ) as c
    cross join lateral (
        values (null::text, null::bigint, false)
        {%- for m in persons %}, ('{{ m['measure'] }}', c.counts[{{ loop.index }}], {{ is_used(m, 'c.dimension') }}){% endfor %}
    ) as m (measure, value, is_used)
    where m.value > 0 and m.is_used
),

items as (
    select
        p.grain,
        p.period_start,
        i.dimension,
        i.dimension_value,
        i.measure,
        i.item,
        i.number,
        sum(i.amount) as amount
    from period_days as p
    inner join ({{ rows_of_days(ref('int_items'), period_day_keys) }}) as i on p.day = i.day
    group by p.grain, p.period_start, i.dimension, i.dimension_value, i.measure, i.item, i.number
),

ranked as (
    select
        *,
        sum(amount) over (w order by number) as up_to,
        sum(amount) over (w) as total
    from items
    where number is not null
    window w as (partition by grain, period_start, dimension, dimension_value, measure)
),

-- The value at place share x (n - 1) of the sorted numbers, between its neighbours where that is no whole number.
percentiles as (
    select
        r.grain,
        r.period_start,
        r.dimension,
        r.dimension_value,
        r.measure,
        min(r.number) filter (where r.up_to > floor(c.percentile * (r.total - 1))) as low,
        min(r.number) filter (where r.up_to > ceil(c.percentile * (r.total - 1))) as high,
        max(c.percentile * (r.total - 1) - floor(c.percentile * (r.total - 1))) as part
    from ranked as r
    inner join {{ source('config', 'measures') }} as c on r.measure = c.measure
    group by r.grain, r.period_start, r.dimension, r.dimension_value, r.measure
),

item_values as (
    select grain, period_start, dimension, dimension_value, measure, low + (high - low) * part as value from percentiles
    {% for m in items if m['percentile'] is none or m['is_per_item'] %}
        union all
        select
            grain,
            period_start,
            dimension,
            dimension_value,
            measure,
            {{ 'percentile_cont(' ~ m['percentile'] ~ ') within group (order by amount)' if m['is_per_item'] else 'count(*)' }}::numeric
        from items
        where measure = '{{ m['measure'] }}'
        group by grain, period_start, dimension, dimension_value, measure
    {% endfor %}
),

active as (
    select
        p.grain,
        p.period_start,
        a.dimension,
        a.dimension_value,
        count(distinct a.person_key) as persons
    from period_days as p
    inner join ({{ rows_of_days(ref('fct_person_days'), period_day_keys) }}) as a on p.day = a.day
    where p.grain <> 'day'
    group by p.grain, p.period_start, a.dimension, a.dimension_value
),

active_values as (
    {% for m in active %}
        {%- set plain = {'dau': ['week', 'month'], 'wau': ['week', 'month'], 'mau': ['month']}[m['expression_sql'] | replace('"', '')] %}
        select
            grain,
            period_start,
            dimension,
            dimension_value,
            '{{ m['measure'] }}' as measure,
            persons::numeric as value
        from active
        where grain in ('{{ plain | join("', '") }}') and {{ is_used(m) }}
        union all
        select
            p.grain,
            p.period_start,
            a.dimension,
            a.dimension_value,
            '{{ m['measure'] }}',
            a.{{ m['expression_sql'] }}::numeric
        from periods as p
        inner join {{ ref('fct_active_users') }} as a on a.day = least(p.next_start - 1, {{ as_of_day() }})
        where p.grain not in ('{{ plain | join("', '") }}') and {{ is_used(m, 'a.dimension') }}
        union all
    {% endfor %}
    select
        null::text as grain,
        null::date as period_start,
        null::text as dimension,
        null::text as dimension_value,
        null::text as measure,
        null::numeric as value
    where false
),

hours as (
    {% for relation, table, measures, dimensions, at in [
        ('events', ref('int_events'), ns.hourly, event_dimensions(used_dimensions(ns.hourly)), 'e.occurred_at'),
        ('sessions', ref('fct_sessions'), sessions_hourly.found, kept_dimensions('e.dimensions'), 'e.started_at'),
    ] %}
        select
            hourly_{{ relation }}.hour,
            hourly_{{ relation }}.day,
            hourly_{{ relation }}.dimension,
            hourly_{{ relation }}.dimension_value,
            m.measure,
            m.value
        from (
            select
                date_trunc('hour', {{ at }}, (select zone.timezone from {{ source('config', 'plan') }} as zone)) as hour,
                e.day,
                b.dimension,
                b.dimension_value
                {{- measure_columns(measures) }}
            from ({{ rows_of_days(table, 'select day from days') }}) as e
            cross join lateral {{ dimensions }}
            inner join {{ buckets }} as b on d.dimension = b.dimension and d.raw_value = b.raw_value
            where {{ 'true' if measures else 'false' }}
            group by hour, e.day, b.dimension, b.dimension_value
        ) as hourly_{{ relation }}
        cross join lateral {{ measure_rows(measures, 'hourly_' ~ relation) }}
        where m.is_used and m.value is not null
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

counted as (
    select grain, period_start, dimension, dimension_value, measure, value from sums
    union all
    select grain, period_start, dimension, dimension_value, measure, value::numeric from person_counts
    union all
    select grain, period_start, dimension, dimension_value, measure, value from item_values
    union all
    select grain, period_start, dimension, dimension_value, measure, value from active_values
)

select
    grain,
    {{ day_start('period_start') }} as period_start,
    period_start as period_date,
    dimension,
    dimension_value,
    measure,
    value
from counted
union all
select
    'hour' as grain,
    hour,
    day,
    dimension,
    dimension_value,
    measure,
    value
from hours
