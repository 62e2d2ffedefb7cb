-- Of each two kinds of event, how many persons did both, and how many the first one first. Kinds that few persons do are left out.
with kinds as (
    select event_name from counted where person is not null
    group by event_name order by count(distinct person) desc, event_name limit 25
),

firsts as (
    select c.person, c.event_name, min(c.occurred_at) as at
    from counted as c inner join kinds as k on c.event_name = k.event_name
    where c.person is not null and hash(c.person) % $part = 0
    group by c.person, c.event_name
)

select a.event_name as one, b.event_name as other, count(*) as both_, (count(*) filter (where a.at < b.at) + count(*) filter (where a.at <= b.at)) / 2 as before
from firsts as a inner join firsts as b on a.person = b.person and a.event_name <> b.event_name
group by 1, 2
