-- Some properties of some events of a span of whole local days, each value judged: those that have possible values or times,
-- and those where an empty text may be what is missing. The rules are those of events/contracts.py.
with judged as (
    select
        (e.occurred_at at time zone %(timezone)s)::date as day,
        e.event_name,
        e.app_version,
        e.occurred_at,
        p.property,
        e.properties -> p.property as value,
        case
            when coalesce(e.properties -> p.property, 'null') = 'null' then case when p.is_required then 'missing' end
            when
                p.is_required and e.properties ->> p.property = '' and not coalesce('' = any(p.possible_values), false)
                then 'missing'
            when
                jsonb_typeof(e.properties -> p.property)
                <> case when p.type in ('text', 'timestamp') then 'string' else p.type end
                then 'wrong_type'
            when p.possible_values is not null and not e.properties ->> p.property = any(p.possible_values) then 'impossible_value'
            when p.type <> 'timestamp' then null
            when e.properties ->> p.property !~ %(timestamp)s then 'wrong_type'
            when not pg_input_is_valid(left(e.properties ->> p.property, 10), 'date') then 'wrong_type'
        end as violation
    from raw.events as e
    inner join unnest(%(event_names)s::text[], %(properties)s::text[]) as asked (event_name, property)
        on e.event_name = asked.event_name
    inner join config.properties as p on asked.event_name = p.event_name and asked.property = p.property
    where e.occurred_at >= %(from)s and e.occurred_at < %(until)s
)

select
    day,
    event_name,
    property,
    violation,
    coalesce(app_version, '(none)') as app_version,
    count(*) as events,
    min(occurred_at) as first_seen,
    max(occurred_at) as last_seen,
    min(left(value::text, 1000)) as example
from judged
where violation is not null
group by 1, 2, 3, 4, 5
