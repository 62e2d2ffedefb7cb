-- depends_on: {{ ref('int_touched_keys') }}
-- Without tracker sessions (which may overlap), each session of a person of this run ends before the next begins.
with persons as (
    select distinct person_key from {{ ref('fct_sessions') }}
    where {{ 'true' if is_whole_build() else 'person_key in (select k.person_key from ' ~ ref('int_touched_keys') ~ ' as k)' }}
),

tracked as (
    select distinct e.person_key
    from persons as p
    inner join {{ ref('int_events') }} as e on p.person_key = e.person_key
    where e.session_id is not null
),

sessions as (
    select
        s.person_key,
        s.ended_at,
        lead(s.started_at) over (partition by s.person_key order by s.started_at, s.ended_at) as next_started_at
    from {{ ref('fct_sessions') }} as s
    inner join persons as p on s.person_key = p.person_key
    left join tracked as t on s.person_key = t.person_key
    where t.person_key is null
)

select * from sessions
where next_started_at < ended_at
