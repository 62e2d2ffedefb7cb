-- How the events of a day divide by each field, by what came before, and by the shape of ids.
with ordered as (
    select
        *,
        coalesce(lag(event_name) over (partition by day, person order by occurred_at, event_name), '') as previous
    from profiled
),

of_kinds as (
    select
        o.day,
        o.event_name,
        c.subject,
        c.value,
        count(*) as events
    from ordered as o
    cross join lateral (
        values
        ('source', o.source),
        ('country', o.country),
        ('region', o.region),
        ('city', o.city),
        ('device_type', o.device_type),
        ('platform', o.platform),
        ('currency', o.currency),
        ('hour', o.hour),
        ('previous', case when o.person is not null then o.previous end),
        ('shape of user_id', {user_shape}),
        ('shape of anonymous_id', {anonymous_shape}),
        ('shape of session_id', {session_shape}),
        ('shape of entity_id', {entity_shape})
    ) as c (subject, value)
    where c.value is not null
    group by o.day, o.event_name, c.subject, c.value
),

counted as (
    select day, event_name, subject, value, events from of_kinds where subject <> 'source'
    union all
    select day, '' as event_name, subject, value, sum(events) from of_kinds group by day, subject, value
),

ranked as (
    select
        *,
        row_number() over (partition by day, event_name, subject order by events desc, value) as place,
        sum(events) over (partition by day, event_name, subject) as total
    from counted
)

insert into ops.profiles (day, event_name, metric, subject, value, amount, events)
select day, event_name, 'category', subject, case when place <= {most_values} then left(value, 200) else '(other)' end, sum(events), max(total)
from ranked
group by 1, 2, 3, 4, 5
