select
    person_key, session_key, started_at, ended_at, duration_seconds, events, page_views, is_bounce, converted, value
from marts.fct_sessions
where day between %(first_day)s and %(last_day)s
order by started_at, person_key collate "C", session_key collate "C"
