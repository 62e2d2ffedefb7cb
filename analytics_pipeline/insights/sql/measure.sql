with plan as (
    select %(zone)s::text as zone, (%(week_start)s = 'sunday')::integer as shift
),
events as materialized (
    {events}
),
placed_events as (
    select
        e.*, {value} as "value of breakdown",
        case %(grain)s
            when 'hour' then date_trunc('hour', e.occurred_at, p.zone)
            when 'range' then ops.day_start(%(first_day)s::date, p.zone)
            when 'week' then ops.day_start(date_trunc('week', e.day + p.shift)::date - p.shift, p.zone)
            else ops.day_start(date_trunc(%(grain)s, e.day::timestamp)::date, p.zone)
        end as "start of period"
    from events as e
    cross join plan as p
),
event_totals as (
    select "start of period" as period_start, "value of breakdown" as value, {event_columns} from placed_events group by 1, 2
),
placed_sessions as (
    select
        s.*, {session_value} as "value of breakdown",
        case %(grain)s
            when 'hour' then date_trunc('hour', s.started_at, p.zone)
            when 'range' then ops.day_start(%(first_day)s::date, p.zone)
            when 'week' then ops.day_start(date_trunc('week', s.day + p.shift)::date - p.shift, p.zone)
            else ops.day_start(date_trunc(%(grain)s, s.day::timestamp)::date, p.zone)
        end as "start of period"
    from marts.fct_sessions as s
    cross join plan as p
    where s.day between %(first_day)s and %(last_day)s
),
session_totals as (
    select "start of period" as period_start, "value of breakdown" as value, {session_columns} from placed_sessions group by 1, 2
),
starts as (
    select ops.day_start(g.at::date, p.zone) as period_start
    from plan as p
    cross join lateral generate_series(
        case %(grain)s
            when 'week' then (date_trunc('week', %(first_day)s::date + p.shift) - p.shift * interval '1 day')::timestamp
            when 'month' then date_trunc('month', %(first_day)s::timestamp)
            else %(first_day)s::timestamp
        end,
        case when %(grain)s = 'range' then %(first_day)s::timestamp else %(last_day)s::timestamp end,
        case %(grain)s when 'week' then interval '7 days' when 'month' then interval '1 month' else interval '1 day' end
    ) as g (at)
    where %(grain)s <> 'hour'
    union all
    select h.at
    from plan as p
    cross join lateral generate_series(
        ops.day_start(%(first_day)s::date, p.zone),
        ops.day_start(%(last_day)s::date + 1, p.zone) - interval '1 hour',
        interval '1 hour'
    ) as h (at)
    where %(grain)s = 'hour'
),
ended as (
    select
        s.period_start,
        case %(grain)s
            when 'hour' then s.period_start + interval '1 hour'
            when 'range' then ops.day_start(%(last_day)s::date + 1, p.zone)
            when 'week' then ops.day_start((s.period_start at time zone p.zone + interval '7 days')::date, p.zone)
            when 'month' then ops.day_start((s.period_start at time zone p.zone + interval '1 month')::date, p.zone)
            else ops.day_start((s.period_start at time zone p.zone + interval '1 day')::date, p.zone)
        end as ends_at
    from starts as s
    cross join plan as p
),
measured as (
    select p.period_start, p.ends_at, v.value, {measures}
    from ended as p
    cross join (
        select value from event_totals where %(has_events)s
        union
        select value from session_totals where %(has_sessions)s
        union
        select 'all' where not %(is_divided)s
    ) as v
    left join event_totals as e on p.period_start = e.period_start and v.value = e.value
    left join session_totals as s on p.period_start = s.period_start and v.value = s.value
)
select
    period_start, value, ({numerator})::numeric as numerator, ({denominator})::numeric as denominator, ends_at > %(as_of)s as is_partial
from measured
order by value collate "C", period_start
