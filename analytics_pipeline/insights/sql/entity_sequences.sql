select
    e.person_key as walker, coalesce('+' || e.entity_type, '-') || ' ' || e.entity_id as sequence, e.occurred_at, e.event_id,
    coalesce(({node})::text, '(none)') as node
from ({events}) as e
where e.entity_id is not null
