-- Kinds of event. Names that are longer are texts, not names.
select
    event_name as name,
    count(*) as events,
    count(distinct person) as persons,
    count(distinct occurred_at::date) as days,
    count(person) / count(*) as person_share,
    count(session_id) / count(*) as session_share,
    count(coalesce(device_type, platform)) / count(*) as device_share,
    count(value) / count(*) as value_share,
    count(*) filter (where value > 0) / count(*) as positive_share,
    count(*) filter (where value < 0) / count(*) as negative_share,
    count(currency) / count(*) as currency_share,
    coalesce(sum(value), 0)::double as total_value
from counted
where length(event_name) <= 200
group by event_name
order by events desc, name
