-- All events: times, persons, kinds.
select
    make_timestamptz(approx_quantile(epoch_us(occurred_at), 0.001)) as first,
    min(occurred_at) as earliest,
    max(occurred_at) as last,
    approx_count_distinct(person) as persons,
    count(distinct event_name) as kinds
from counted
