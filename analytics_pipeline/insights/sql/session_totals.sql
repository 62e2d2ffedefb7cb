select
    count(*) as sessions,
    count(distinct person_key) as persons,
    coalesce(sum(events), 0)::bigint as events,
    coalesce(sum(page_views), 0)::bigint as page_views,
    count(*) filter (where converted) as converted,
    count(*) filter (where is_bounce) as bounces,
    count(*) filter (where is_bounce)::numeric / nullif(count(*) filter (where page_views > 0), 0) as bounce_rate,
    avg(duration_seconds) as average_seconds,
    percentile_cont(0.5) within group (order by duration_seconds) as median_seconds,
    sum(value) as value
from marts.fct_sessions
where day between %(first_day)s and %(last_day)s
