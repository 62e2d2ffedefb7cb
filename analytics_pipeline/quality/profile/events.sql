-- The events of the local days under judgement, but for traffic that the plan leaves out, in a table of this transaction.
-- content: what an event says, whenever it was said and under whichever id.
create temp table profiled on commit drop as
select
    (e.occurred_at at time zone p.timezone)::date as day,
    e.event_name,
    e.occurred_at,
    coalesce('u:' || e.user_id, 'a:' || e.anonymous_id) as person,
    e.source,
    e.user_id,
    e.anonymous_id,
    e.session_id,
    e.entity_id,
    e.country,
    e.region,
    e.city,
    e.device_type,
    e.platform,
    e.app_version,
    e.value,
    e.currency,
    e.properties,
    to_char(e.occurred_at at time zone p.timezone, 'HH24') as hour,
    extract(epoch from e.received_at - e.occurred_at)::float8 as lag,
    hashtextextended(
        concat_ws('|', e.event_name, e.user_id, e.anonymous_id, e.entity_id, e.value, e.currency, e.properties), 0
    ) as content
from raw.events as e
cross join config.plan as p
where
    e.occurred_at >= %(from)s
    and e.occurred_at < %(until)s
    and (e.occurred_at at time zone p.timezone)::date = any(%(days)s)
    and ({is_excluded}) is not true
