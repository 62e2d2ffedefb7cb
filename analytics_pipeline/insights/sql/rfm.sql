with events as materialized (
    {events}
),
days as (
    select person_key, day, coalesce(sum(amount), 0) as amount, min(day) over (partition by person_key) as first_day from events
    where person_key is not null
    group by person_key, day
)
select
    person_key, count(*) - 1 as frequency, max(day) - min(day) as recency_days, %(last_day)s::date - min(day) as age_days,
    coalesce(avg(amount) filter (where day > first_day), 0) as monetary
from days
group by person_key
order by person_key collate "C"
