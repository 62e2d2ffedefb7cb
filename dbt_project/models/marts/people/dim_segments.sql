{{ config(indexes=[{'columns': ['person_key'], 'unique': true}]) }}

with settings as (
    select
        {{ as_of_day() }} as today,
        churn_after,
        (engagement ->> 'days')::integer as days,
        (engagement ->> 'recency')::numeric as recency,
        (engagement ->> 'frequency')::numeric as frequency,
        (engagement ->> 'depth')::numeric as depth,
        (engagement ->> 'breadth')::numeric as breadth
    from {{ source('config', 'plan') }}
),

bought as (
    select
        person_key,
        day,
        revenue,
        min(day) over (partition by person_key) as first_day
    from {{ ref('int_person_days') }}
    where purchases > 0
),

customers as (
    select
        person_key,
        count(*) as purchase_days,
        max(day) as last_purchase_day,
        max(day) - min(day) as recency_days,
        (select t.today from settings as t) - min(day) as age_days,
        coalesce(avg(revenue) filter (where day > first_day), 0) as monetary
    from bought
    group by person_key
),

active_days as (
    select d.*
    from {{ ref('int_person_days') }} as d
    cross join settings as t
    where d.active_events > 0 and d.day > t.today - t.days
),

breadths as (
    select
        d.person_key,
        count(distinct k.kind) as kinds
    from active_days as d
    cross join lateral unnest(d.kinds) as k (kind)
    group by d.person_key
),

recent as (
    select
        person_key,
        max(day) as last_day,
        count(*) as active_days,
        sum(active_events) as events
    from active_days
    group by person_key
),

ranked as (
    select
        person_key,
        percent_rank() over (order by last_day) as recency,
        percent_rank() over (order by active_days) as frequency,
        percent_rank() over (order by events::numeric / active_days) as depth,
        percent_rank() over (order by kinds) as breadth
    from recent
    inner join breadths using (person_key)
),

engaged as (
    select
        r.person_key,
        round(
            100 * (
                r.recency::numeric * t.recency + r.frequency::numeric * t.frequency
                + r.depth::numeric * t.depth + r.breadth::numeric * t.breadth
            ) / (t.recency + t.frequency + t.depth + t.breadth), 2
        ) as engagement
    from ranked as r
    cross join settings as t
),

described as (
    select
        p.person_key,
        c.purchase_days,
        t.today - c.last_purchase_day as days_since_purchase,
        c.recency_days,
        c.age_days,
        c.monetary,
        coalesce(e.engagement, 0) as engagement,
        p.active_days,
        t.today - p.last_active_day as days_since_active,
        t.today - p.first_active_day as days_since_first_active,
        p.events,
        coalesce({{ day_start('p.last_active_day + 1') }} + t.churn_after <= {{ as_of() }}, true) as is_churned
    from {{ ref('dim_persons') }} as p
    cross join settings as t
    left join customers as c on p.person_key = c.person_key
    left join engaged as e on p.person_key = e.person_key
),

counted as (
    select
        person_key,
        greatest(coalesce(purchase_days, 0) - 1, 0) as frequency,
        coalesce(purchase_days, 0) as purchase_days,
        recency_days,
        age_days,
        days_since_purchase,
        coalesce(monetary, 0) as monetary,
        engagement,
        active_days,
        days_since_active,
        days_since_first_active,
        events,
        is_churned
    from described
)

select
    person_key,
    frequency,
    purchase_days,
    recency_days,
    age_days,
    days_since_purchase,
    monetary,
    engagement,
    active_days,
    days_since_active,
    days_since_first_active,
    events,
    is_churned,
    case
        {%- for s in plan_rows('segments', 'position') %}
        when {{ s['condition_sql'] }} then '{{ s['segment'] }}'
        {%- endfor %}
        when true then null::text
    end as segment
from counted
