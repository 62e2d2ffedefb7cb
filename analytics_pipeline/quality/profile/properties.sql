-- The same of properties: which are there, how they divide, and what their numbers are.
with pairs as materialized (
    select
        e.day,
        e.event_name,
        'properties.' || j.key as subject,
        jsonb_typeof(j.value) as type,
        j.value #>> '{{}}' as value
    from profiled as e cross join lateral jsonb_each(e.properties) as j (key, value)
    where jsonb_typeof(j.value) <> 'null' and length(j.key) <= 100
),

counted as (
    select day, event_name, count(*) as events from profiled group by day, event_name
),

there as (
    select p.day, p.event_name, p.subject, count(*) as amount, count(*) filter (where type = 'number') as numbers
    from pairs as p
    group by p.day, p.event_name, p.subject
),

valued as (
    select day, event_name, subject, value, count(*) as amount
    from pairs
    where type in ('string', 'boolean')
    group by day, event_name, subject, value
),

ranked as (
    select
        *,
        row_number() over (partition by day, event_name, subject order by amount desc, value) as place,
        count(*) over (partition by day, event_name, subject) as distinct_values,
        sum(amount) over (partition by day, event_name, subject) as total
    from valued
),

shaped as (
    select day, event_name, subject, {shape} as shape, sum(amount) as amount, max(total) as total
    from ranked
    where distinct_values > {most_values}
    group by 1, 2, 3, 4
),

shapes as (
    select
        *,
        row_number() over (partition by day, event_name, subject order by amount desc, shape) as place
    from shaped
),

numbers as (
    -- JSON knows greater numbers than the server can square.
    select day, event_name, subject, least(greatest(value::numeric, -1e100), 1e100)::float8 as number
    from pairs where type = 'number'
    union all
    select day, event_name, 'value', value from profiled where value is not null
),

measured as (
    select
        day,
        event_name,
        subject,
        count(*) as events,
        avg(number) as mean,
        stddev_pop(number) as deviation,
        max(number) as greatest,
        count(*) filter (where number < 0) as negative,
        count(*) filter (where number = 0) as zero,
        percentile_disc(array[0.1, 0.5, 0.9]) within group (order by number) as deciles
    from numbers
    group by day, event_name, subject
)

insert into ops.profiles (day, event_name, metric, subject, value, amount, events)
select t.day, t.event_name, 'present', t.subject, '', t.amount, c.events
from there as t inner join counted as c on t.day = c.day and t.event_name = c.event_name
union all
select
    day, event_name, 'category', subject,
    case when place <= {most_values} then left(value, 200) else '(other)' end,
    sum(amount), max(total)
from ranked
where distinct_values <= {most_values}
group by 1, 2, 3, 4, 5
union all
select
    day, event_name, 'category', 'shape of ' || subject,
    case when place <= {most_values} then left(shape, 200) else '(other)' end,
    sum(amount), max(total)
from shapes
group by 1, 2, 3, 4, 5
union all
select day, event_name, 'level', subject || ' variety', 'mean', count(*)::float8 / max(total), max(total)
from ranked
group by day, event_name, subject
union all
select m.day, m.event_name, n.metric, m.subject, n.value, n.amount, m.events
from measured as m
cross join lateral (
    values
    ('number', 'mean', m.mean),
    ('number', 'deviation', m.deviation),
    ('number', 'p10', m.deciles[1]),
    ('number', 'p50', m.deciles[2]),
    ('number', 'p90', m.deciles[3]),
    ('number', 'max', m.greatest),
    ('sign', 'negative', m.negative::float8),
    ('sign', 'zero', m.zero::float8)
) as n (metric, value, amount)
