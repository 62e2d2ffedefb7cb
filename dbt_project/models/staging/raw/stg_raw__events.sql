with events as (
    select * from {{ source('raw', 'events') }}
),

final as (
    select
        event_id,
        event_name,
        occurred_at,
        received_at,
        {{ local_day('occurred_at') }} as day,
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
        value,
        currency,
        properties,
        batch_id
    from events
    where
        occurred_at <= (select as_of from {{ source('ops', 'current_build') }})
        and batch_id not in (select batch_id from {{ source('ops', 'hidden_batches') }})
)

select * from final
