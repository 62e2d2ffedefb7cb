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
        case
            when currency is null or currency = (select p.currency from {{ source('config', 'plan') }} as p) then value
            else value * (
                select r.rate from {{ source('config', 'rates') }} as r
                where r.currency = e.currency and r.valid_from <= {{ local_day('e.occurred_at') }}
                order by r.valid_from desc
                limit 1
            )
        end as amount,
        currency,
        properties,
        batch_id,
        case
            {%- for rule in plan_rows('excluded_traffic', 'position') %}
            when {{ rule['condition_sql'] }} then '{{ rule['rule'] }}'
            {%- endfor %}
            when false then ''
        end as excluded_by
    from events as e
    where
        occurred_at <= (select as_of from {{ source('ops', 'current_build') }})
        and batch_id not in (select batch_id from {{ source('ops', 'hidden_batches') }})
        -- What is about to leave, or has left in part, is read where it stays (macros/sessions.sql).
        and not exists (
            select 1 from {{ source('ops', 'horizons') }} as h
            where h.event_name in ('', e.event_name) and e.occurred_at < h.before
        )
)

select * from final
