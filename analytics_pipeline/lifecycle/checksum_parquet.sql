-- The twin of checksum_postgres.sql, over the object as it was read back.
select
    count(*),
    coalesce(sum(('0x' || substr(md5(concat_ws(
        '|',
        event_id, event_name, epoch_us(occurred_at), epoch_us(received_at), source, coalesce(user_id, '~'),
        coalesce(anonymous_id, '~'), coalesce(session_id, '~'), coalesce(entity_type, '~'), coalesce(entity_id, '~'),
        coalesce(country, '~'), coalesce(region, '~'), coalesce(city, '~'), coalesce(device_type, '~'),
        coalesce(platform, '~'), coalesce(app_version, '~'), coalesce(value::varchar, '~'), coalesce(currency, '~'),
        properties, batch_id
    )), 1, 15))::bigint::hugeint), 0)::varchar
from read_parquet($path)
