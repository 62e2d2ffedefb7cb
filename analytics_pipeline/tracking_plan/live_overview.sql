create or replace view live.overview as
with clock as (
    select now() as at, timezone, session_timeout, (now() at time zone timezone)::date as today from config.plan
),

recent as (
    select
        coalesce('u:' || e.user_id, 'a:' || e.anonymous_id) as visitor,
        e.occurred_at,
        coalesce({converts}, false) as converts
    from (
        select r.*, live.converted(r.value, r.currency, null) as amount from raw.events as r
        where r.occurred_at > now() - greatest(interval '1 hour', (select session_timeout from config.plan)) and r.occurred_at <= now()
    ) as e
    where
        not coalesce({is_excluded}, false)
        and e.event_name not in (select k.event_name from config.events as k where not k.is_activity)
),

visitors as (
    select
        visitor,
        max(occurred_at) as last_at,
        bool_or(converts and occurred_at > now() - interval '1 hour') as has_converted
    from recent
    where visitor is not null
    group by visitor
),

now_here as (
    select
        count(*) filter (where v.last_at > c.at - interval '5 minutes') as active_users,
        count(*) filter (where v.last_at >= c.at - c.session_timeout) as open_sessions,
        count(*) filter (where v.last_at > c.at - interval '1 hour') as visitors_last_hour,
        count(*) filter (where v.has_converted) as converted_last_hour
    from visitors as v cross join clock as c
),

today as (
    select
        sum(e.events) as events,
        sum(e.events) filter (where {is_revenue}) as orders,
        sum(live.converted(e.value, e.currency, c.today)) filter (where {is_revenue}) as revenue,
        sum(live.converted(e.value, e.currency, c.today)) filter (where {is_refund}) as refunds
    from live.quarter_hours as e cross join clock as c
    where e.starts_at >= (select ops.day_start(k.today, k.timezone) from clock as k) and e.starts_at <= now()
)

select
    c.at,
    c.today,
    n.active_users,
    n.open_sessions,
    n.visitors_last_hour,
    n.converted_last_hour,
    n.converted_last_hour::numeric / nullif(n.visitors_last_hour, 0) as conversion_last_hour,
    coalesce(t.events, 0)::bigint as events_today,
    coalesce(t.orders, 0)::bigint as orders_today,
    coalesce(t.revenue, 0) as revenue_today,
    coalesce(t.refunds, 0) as refunds_today,
    coalesce(t.revenue, 0) - coalesce(t.refunds, 0) as net_revenue_today,
    true as is_unaudited
from clock as c cross join now_here as n cross join today as t
