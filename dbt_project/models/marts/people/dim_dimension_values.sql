with days as (
    select
        dimension,
        raw_value,
        day,
        events
    from {{ ref('int_dimension_days') }}

    union all

    select
        dimension,
        raw_value,
        day,
        0
    from {{ ref('int_session_values') }}
),

totals as (
    select
        dimension,
        raw_value,
        min(day) as first_day,
        max(day) as last_day,
        sum(events)::bigint as events
    from days
    group by dimension, raw_value
),

ranked as (
    select
        *,
        row_number() over (partition by dimension order by raw_value = '(none)', events desc, raw_value collate "C") as position
    from totals
)

select
    dimension,
    raw_value,
    case
        when raw_value = '(none)' or position <= (select values_per_dimension from {{ source('config', 'plan') }}) then raw_value
        else '(other)'
    end as dimension_value,
    first_day,
    last_day,
    events
from ranked
