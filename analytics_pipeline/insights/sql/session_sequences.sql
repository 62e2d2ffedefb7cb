select
    e.person_key as walker, s.person_key || ' ' || s.session_key as sequence, e.occurred_at, e.event_id,
    coalesce(({node})::text, '(none)') as node
from marts.fct_sessions as s
inner join ({events}) as e on s.person_key = e.person_key and s.session_key = e.session_key
where s.day between %(first_day)s and %(last_day)s
