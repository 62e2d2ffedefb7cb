-- Without tracker sessions (which may overlap), each session of a person ends before the next begins.
with sessions as (
    select
        s.person_key,
        s.ended_at,
        lead(s.started_at) over (partition by s.person_key order by s.started_at, s.ended_at) as next_started_at
    from {{ ref('fct_sessions') }} as s
    where not exists (
        select 1
        from {{ ref('int_events') }} as e
        where e.person_key = s.person_key and e.session_id is not null
    )
)

select * from sessions
where next_started_at < ended_at
