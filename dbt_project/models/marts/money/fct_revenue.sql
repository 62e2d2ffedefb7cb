{{ incremental_by('events', indexes=[{'columns': ['day']}]) }}

{%- set plan = plan_row() %}

with events as (
    {{ touched_rows(ref('int_events'), 'events') }}
),

money as (
    select
        day,
        coalesce(currency, (select p.currency from {{ source('config', 'plan') }} as p)) as currency,
        value,
        amount,
        ({{ plan['refund_sql'] }}) as is_refund
    from events
    where (({{ plan['revenue_sql'] }}) or ({{ plan['refund_sql'] }})) and value is not null
)

select
    day,
    currency,
    count(*) filter (where not is_refund) as payments,
    count(*) filter (where is_refund) as refunds,
    coalesce(sum(value) filter (where not is_refund), 0) as original_gross,
    coalesce(sum(value) filter (where is_refund), 0) as original_refunded,
    coalesce(sum(amount) filter (where not is_refund), 0) as gross,
    coalesce(sum(amount) filter (where is_refund), 0) as refunded,
    coalesce(sum(amount) filter (where not is_refund), 0) - coalesce(sum(amount) filter (where is_refund), 0) as net,
    count(*) filter (where amount is null) as unconverted,
    {{ day_start('day + 1') }} > {{ as_of() }} as is_partial
from money
group by day, currency
