with changed as (
    select person_key as raw_key from {{ source('ops', 'current_changes') }}
    where person_key is not null
),

-- Events that became visible, or invisible, because as_of moved.
crossed as (
    select
        e.user_id,
        e.anonymous_id
    from {{ source('raw', 'events') }} as e
    cross join {{ source('ops', 'current_build') }} as b
    where
        e.occurred_at > least(b.as_of, b.previous_as_of)
        and e.occurred_at <= greatest(b.as_of, b.previous_as_of)
        and b.previous_as_of is not null
)

select raw_key from changed
union
select 'u:' || user_id from crossed where user_id is not null
union
select 'a:' || anonymous_id from crossed where anonymous_id is not null
