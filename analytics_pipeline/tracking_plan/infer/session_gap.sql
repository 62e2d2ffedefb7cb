-- Gaps between events inside of a tracker's session: what nearly all are shorter than, and how many there are.
with gaps as (
    select epoch(occurred_at) - epoch(lag(occurred_at) over (partition by person, session_id order by occurred_at)) as seconds
    from counted
    where session_id is not null
)

select quantile_cont(seconds, 0.999), count(seconds) from gaps
