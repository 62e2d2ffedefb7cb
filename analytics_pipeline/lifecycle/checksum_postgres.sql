-- The number of rows and a sum over them that does not depend on their order: 60 bits of the MD5 of each row's text.
select
    count(*),
    coalesce(sum(('x' || substr(md5(concat_ws(
        '|',
        event_id::text, event_name, (extract(epoch from occurred_at) * 1000000)::bigint,
        (extract(epoch from received_at) * 1000000)::bigint, source, coalesce(user_id, '~'), coalesce(anonymous_id, '~'),
        coalesce(session_id, '~'), coalesce(entity_type, '~'), coalesce(entity_id, '~'), coalesce(country, '~'),
        coalesce(region, '~'), coalesce(city, '~'), coalesce(device_type, '~'), coalesce(platform, '~'),
        coalesce(app_version, '~'), coalesce(value::text, '~'), coalesce(currency, '~'), properties::text, batch_id::text
    )), 1, 15))::bit(60)::bigint), 0)::text
from raw.events
where occurred_at >= %(range_start)s and occurred_at < %(range_end)s
