-- Calendar periods with a touched day: hours are touched by the day.
with days as (
    select distinct day from {{ ref('int_touched_days') }}
),

periods as (
    {{ calendar_periods('select day from days', ['day', 'week', 'month']) }}
)

select grain, period_start as period_date from periods
union all
select 'hour', day from days
