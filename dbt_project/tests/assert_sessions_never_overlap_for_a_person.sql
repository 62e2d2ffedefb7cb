-- Without tracker sessions (which may overlap), each session of a person ends before the next begins.
with tracked as (
    select distinct person_key from {{ ref('int_events') }}
    where session_id is not null and person_key is not null
),

sessions as (
    select
        s.person_key,
        s.ended_at,
        lead(s.started_at) over (partition by s.person_key order by s.started_at, s.ended_at) as next_started_at
    from {{ ref('fct_sessions') }} as s
    left join tracked as t on s.person_key = t.person_key
    where t.person_key is null
)

select * from sessions
where next_started_at < ended_at
