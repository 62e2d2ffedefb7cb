-- depends_on: {{ ref('int_events') }}
-- depends_on: {{ ref('int_identity') }}
-- depends_on: {{ ref('int_touched_ids') }}
-- Days of the ledger, and all days of visitors who now belong to somebody else.
select day from {{ ref('int_ledger_days') }}
{% if published_exists('dim_identities') %}
    union
    select e.day
    from {{ ref('int_events') }} as e
    where e.anonymous_id in (
        select coalesce(n.anonymous_id, p.anonymous_id)
        from {{ ref('int_identity') }} as n
        full join marts.dim_identities as p on n.anonymous_id = p.anonymous_id
        where
            'u:' || n.user_id is distinct from p.person_key
            and 'a:' || coalesce(n.anonymous_id, p.anonymous_id) in (select raw_key from {{ ref('int_touched_ids') }})
    )
{% endif %}
