-- depends_on: {{ ref('int_changed_days') }}
-- The events of the staging view that count and those of the build are the same in number and value, on each day of this run.
{%- set staged, built, days = ref('stg_raw__events'), ref('int_events'), ref('int_changed_days') %}

with staged as (
    {% if is_whole_build() %}
        select * from {{ staged }}
    {% else %}
        select s.* from {{ days }} as d
        cross join lateral (
            select * from {{ staged }} as e
            where e.occurred_at >= d.starts_at and e.occurred_at < d.ends_at
            offset 0
        ) as s
    {% endif %}
),

expected as (
    select
        day,
        count(*) as events,
        coalesce(sum(value), 0) as value
    from staged
    where excluded_by is null
    group by day
),

counted as (
    select
        day,
        count(*) as events,
        coalesce(sum(value), 0) as value
    from {{ built }}
    where {{ 'true' if is_whole_build() else 'day in (select d.day from ' ~ days ~ ' as d)' }}
    group by day
)

select
    day,
    e.events as staged_events,
    c.events as built_events
from expected as e
full join counted as c using (day)
where (e.events, e.value) is distinct from (c.events, c.value)
