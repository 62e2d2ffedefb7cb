select
    e.person_key as walker, e.person_key as sequence, e.occurred_at, e.event_id, coalesce(({node})::text, '(none)') as node
from ({events}) as e
where e.person_key is not null
