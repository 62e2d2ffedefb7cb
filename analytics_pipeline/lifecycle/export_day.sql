select
    event_id::text as event_id,
    event_name,
    occurred_at,
    received_at,
    source,
    user_id,
    anonymous_id,
    session_id,
    entity_type,
    entity_id,
    country,
    region,
    city,
    device_type,
    platform,
    app_version,
    value::text as value,
    currency,
    properties::text as properties,
    batch_id::text as batch_id
from raw.events
where occurred_at >= {range_start} and occurred_at < {range_end}
order by occurred_at, raw.events.event_id
