-- What texts look like, and whether objects hold e-mail addresses, in up to 5,000 events of each kind that are drawn from all of them.
with drawn as (
    select event_name, properties
    from counted
    qualify row_number() over (partition by event_name order by hash(number)) <= 5000
),

texts as (
    select e.event_name, p.key as name, p.type, p.value ->> '$' as text
    from drawn as e, json_each(e.properties) as p
    where p.type in ('VARCHAR', 'OBJECT', 'ARRAY') and p.value <> '""'
)

select
    event_name,
    name,
    count(*) filter (where is_email(text) or (type <> 'VARCHAR' and holds_email(text))) / count(*) as email,
    count(*) filter (where is_phone(text)) / count(*) as phone,
    count(*) filter (where is_ip(text)) / count(*) as ip,
    count(*) filter (where is_time(text)) / count(*) as time,
    count(*) filter (where is_number(text)) / count(*) as number,
    count(*) filter (where is_sentence(text)) / count(*) as sentence
from texts
group by event_name, name
