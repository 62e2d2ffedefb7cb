-- A sample of each day that is drawn alike every day: the persons, and what events say, with the smallest hashes.
insert into ops.profiles (day, event_name, metric, subject, value, amount, events)
select s.day, '', 'signature', s.subject, s.hash::text, null, s.total
from (
    select
        day, subject, hash,
        row_number() over (partition by day, subject order by hash) as place,
        count(*) over (partition by day, subject) as total
    from (
        select distinct day, 'persons' as subject, hashtextextended(person, 0) as hash from profiled where person is not null
        union all
        select distinct day, 'contents', content from profiled
    ) as hashed
) as s
where s.place <= {signature_size}
