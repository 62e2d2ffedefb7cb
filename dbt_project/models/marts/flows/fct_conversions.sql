{{ incremental_by('credit', indexes=[{'columns': ['person_key', 'conversion', 'day']}, {'columns': ['conversion', 'day']}]) }}

with converted as (
    select t.* from ({{ touched_rows(ref('int_conversion_events'), 'credit') }}) as t
    where is_conversion
)

select
    c.conversion,
    c.event_id,
    c.person_key,
    c.occurred_at,
    c.day,
    o.event_id as opportunity_id,
    o.occurred_at as opportunity_at,
    o.event_id is not null as is_credited,
    extract(epoch from c.occurred_at - o.occurred_at)::numeric as seconds,
    c.amount as value,
    coalesce(o.dimensions, '{}') as opportunity_dimensions
from converted as c
inner join {{ source('config', 'conversions') }} as d on c.conversion = d.conversion
left join lateral (
    select
        p.event_id,
        p.occurred_at,
        p.dimensions
    from {{ ref('int_conversion_events') }} as p
    where
        p.person_key = c.person_key
        and p.conversion = c.conversion
        and p.is_opportunity
        and p.occurred_at <= c.occurred_at
        and p.occurred_at >= coalesce(c.occurred_at - d.conversion_window, '-infinity')
        and p.event_id <> c.event_id
        and p.match_value = c.match_value
    order by p.occurred_at desc, p.event_id desc
    limit 1
) as o on true
