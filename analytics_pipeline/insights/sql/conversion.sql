with events as materialized (
    {events}
),
opportunities as (
    select person_key, occurred_at, event_id, {match} as match_value, coalesce(({value})::text, '(none)') as value from events
    where person_key is not null and ({opportunity})
),
conversions as (
    select person_key, occurred_at, event_id, {match} as match_value, amount from events
    where ({conversion}) and day between %(first_day)s and %(last_day)s
),
paired as (
    select distinct on (c.event_id)
        c.event_id, c.amount, o.event_id as opportunity_id, o.value, extract(epoch from c.occurred_at - o.occurred_at) as seconds
    from conversions as c
    left join opportunities as o
        on
            c.person_key = o.person_key
            and o.occurred_at <= c.occurred_at
            and (%(window)s::interval is null or o.occurred_at >= c.occurred_at - %(window)s::interval)
            and o.event_id <> c.event_id
            and o.match_value = c.match_value
    order by c.event_id, o.occurred_at desc nulls last, o.event_id desc
)
select
    value, opportunity_id is not null as is_credited, count(*) as conversions, coalesce(sum(amount), 0) as amount,
    sum(seconds) as seconds
from paired
group by value, is_credited
order by value collate "C"
