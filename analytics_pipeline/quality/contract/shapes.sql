-- Events of a span of whole local days, grouped by what can be said without looking at a value: which keys their properties
-- have, of which types. Few groups leave the server. Undeclared events have no keys here: nobody knows what they should be.
with events as (
    select
        (e.occurred_at at time zone %(timezone)s)::date as day,
        e.event_name,
        e.app_version,
        e.occurred_at,
        case when d.event_name is not null then e.properties end as properties
    from raw.events as e
    left join config.events as d on e.event_name = d.event_name
    where e.occurred_at >= %(from)s and e.occurred_at < %(until)s
)

select
    day,
    event_name,
    coalesce(app_version, '(none)') as app_version,
    jsonb_path_query_array(properties, 'strict $.keyvalue().key') as keys,
    jsonb_path_query_array(properties, 'strict $.*.type()') as types,
    jsonb_path_exists(properties, 'strict $.* ? (@ == "")') as has_empty_text,
    count(*) as events,
    min(occurred_at) as first_seen,
    max(occurred_at) as last_seen
from events
group by 1, 2, 3, 4, 5, 6
