-- depends_on: {{ ref('int_changed_days') }}
-- depends_on: {{ ref('int_new_events') }}
-- depends_on: {{ ref('int_moved_ids') }}
{{ config(post_hook='analyze {{ this }}') }}

{#-
Events of unchanged days whose session or person this run may change: those of visitors who now belong to somebody else, and
those of the sessions that reach into a changed day, before or now. int_events is read by name, as the last build left it.
-#}
{% if is_whole_build() %}
    select
        {{ event_columns() }},
        person_key,
        is_activity,
        is_page,
        null::text as chain,
        null::text as session_key,
        null::text as new_person_key
    from {{ ref('int_new_events') }}
    where false
{% else %}
    with moved as (
        select
            e.*,
            coalesce('u:' || m.user_id, 'a:' || m.anonymous_id) as new_person_key
        from {{ ref('int_moved_ids') }} as m
        cross join lateral (
            select * from build_intermediate.int_events as p
            where p.anonymous_id = m.anonymous_id and p.user_id is null
            offset 0
        ) as e
        where e.day not in (select d.day from {{ ref('int_changed_days') }} as d)
    ),

    joining as (
        select
            person_key,
            occurred_at,
            session_id
        from {{ ref('int_new_events') }}
        where is_activity and person_key is not null
        union all
        select
            new_person_key,
            occurred_at,
            session_id
        from moved
        where is_activity
    ),

    edges as (
        select j.*
        from joining as j
        cross join (select session_timeout from {{ source('config', 'plan') }}) as t
        where not exists (
            select 1 from {{ ref('int_changed_days') }} as d
            where d.starts_at <= j.occurred_at - t.session_timeout and d.ends_at > j.occurred_at + t.session_timeout
        )
    ),

    chains as (
        select person_key, chain from build_intermediate.int_events
        where day in (select d.day from {{ ref('int_changed_days') }} as d) and chain is not null
        union
        select person_key, chain from moved
        where chain is not null
        union
        select person_key, session_id from joining
        where session_id is not null
        union
        select e.person_key, e.chain
        from edges as j
        cross join (select session_timeout from {{ source('config', 'plan') }}) as t
        cross join lateral (
            select * from build_intermediate.int_events as p
            where
                p.person_key = j.person_key
                and p.occurred_at between j.occurred_at - t.session_timeout and j.occurred_at + t.session_timeout
            offset 0
        ) as e
        where e.chain is not null
    ),

    neighbours as (
        select
            e.*,
            e.person_key as new_person_key
        from chains as c
        cross join lateral (
            select * from build_intermediate.int_events as p
            where p.person_key = c.person_key and p.chain = c.chain
            offset 0
        ) as e
        where
            e.day not in (select d.day from {{ ref('int_changed_days') }} as d)
            and e.event_id not in (select m.event_id from moved as m)
    )

    select * from moved
    union all
    select * from neighbours
{% endif %}
