-- Days that a writer named, and the days from the last published as_of to this one.
with days as (
    select day from {{ source('ops', 'current_changes') }}
    where day is not null
    union
    select g.at::date
    from {{ source('ops', 'current_build') }} as b
    cross join lateral generate_series(
        {{ local_day('least(b.previous_as_of, b.as_of)') }}::timestamp,
        {{ local_day('greatest(b.previous_as_of, b.as_of)') }}::timestamp,
        interval '1 day'
    ) as g (at)
    where b.previous_as_of is not null
)

select
    day,
    {{ day_start('day') }} as starts_at,
    {{ day_start('day + 1') }} as ends_at
from days
