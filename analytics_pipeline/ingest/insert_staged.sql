with inserted as (
    insert into raw.events (
        event_id, event_name, occurred_at, received_at, source, user_id, anonymous_id, session_id, entity_type, entity_id,
        country, region, city, device_type, platform, app_version, value, currency, properties, batch_id
    )
    select
        s.event_id,
        s.event_name,
        s.occurred_at,
        s.received_at,
        s.source,
        s.user_id,
        s.anonymous_id,
        s.session_id,
        s.entity_type,
        s.entity_id,
        s.country,
        s.region,
        s.city,
        s.device_type,
        s.platform,
        s.app_version,
        s.value,
        s.currency,
        s.properties,
        %(batch_id)s
    from staged as s
    where
        not exists (
            select 1
            from raw.events as e
            where
                e.event_id = s.event_id
                and e.occurred_at between s.occurred_at - interval '7 days' and s.occurred_at + interval '7 days'
        )
    returning occurred_at, user_id, anonymous_id
),

ledger_days as (
    insert into ops.changes (cause, batch_id, day)
    select distinct
        'ingest',
        %(batch_id)s::uuid,
        (occurred_at at time zone %(timezone)s)::date
    from inserted
),

ledger_persons as (
    insert into ops.changes (cause, batch_id, person_key)
    select
        'ingest',
        %(batch_id)s::uuid,
        person_key
    from (
        select 'u:' || user_id as person_key from inserted
        union
        select 'a:' || anonymous_id from inserted
    ) as persons
    where person_key is not null
)

select
    count(*),
    (select count(*) from staged) - count(*),
    min(occurred_at),
    max(occurred_at)
from inserted
