-- How regularly each kind of event comes back to a person: the most frequent number of seconds, and its share.
with gaps as (
    select
        event_name,
        round(epoch(occurred_at) - epoch(lag(occurred_at) over (partition by event_name, person order by occurred_at)))::bigint
            as seconds
    from counted
    where person is not null
),

shares as (
    select
        event_name,
        seconds,
        count(*) as pairs,
        sum(count(*)) over (partition by event_name) as all_pairs
    from gaps
    where seconds is not null
    group by event_name, seconds
)

select event_name, arg_max(seconds, pairs) as seconds, max(pairs) / max(all_pairs) as share, max(all_pairs) as pairs
from shares
where seconds between 1 and 3600
group by event_name
