-- Counts, shares of events that have a field, and the habits of persons. event_name '' is all of a day.
-- effective_persons: so many persons with as many events each would say as much as these do (Kish 1965).
with counted as (
    select
        day,
        coalesce(event_name, '') as event_name,
        count(*) as events,
        count(distinct person) as persons,
        count(distinct session_id) as sessions,
        count(distinct content) as contents,
        count(distinct hashint8extended(content, extract(epoch from date_trunc('second', occurred_at))::bigint)) as moments,
        count(user_id) as user_id,
        count(anonymous_id) as anonymous_id,
        count(person) as person,
        count(session_id) as session_id,
        count(entity_id) as entity_id,
        count(country) as country,
        count(region) as region,
        count(city) as city,
        count(device_type) as device_type,
        count(platform) as platform,
        count(app_version) as app_version,
        count(value) as value,
        count(currency) as currency,
        count(*) filter (where lag < -1) as ahead,
        count(*) filter (where lag > 3600) as late,
        count(*) filter (where extract(microseconds from occurred_at)::bigint % 1000000 = 0) as whole_seconds,
        count(*) filter (where extract(microseconds from occurred_at) = 0) as whole_minutes,
        count(*) filter (where occurred_at = date_trunc('hour', occurred_at)) as whole_hours,
        count(*) filter (
            where lower(coalesce(user_id, '')) in {fillers}
            or lower(coalesce(anonymous_id, '')) in {fillers}
            or lower(coalesce(session_id, '')) in {fillers}
        ) as filler,
        count(*) filter (where concat_ws(' ', user_id, anonymous_id) ~* {test_id}) as test_id
    from profiled
    group by grouping sets ((day), (day, event_name))
),

habits as (
    select
        day,
        event_name,
        max(events) as busiest,
        sum(events) * sum(events) / sum(events * events) as effective,
        percentile_disc(0.98) within group (order by events) as most
    from (
        select day, coalesce(event_name, '') as event_name, person, count(*) as events
        from profiled
        where person is not null
        group by grouping sets ((day, person), (day, event_name, person))
    ) as p
    group by day, event_name
)

insert into ops.profiles (day, event_name, metric, subject, value, amount, events)
select c.day, c.event_name, m.metric, m.subject, m.value, m.amount, c.events
from counted as c
left join habits as h on c.day = h.day and c.event_name = h.event_name
cross join lateral (
    values
    ('count', 'events', '', c.events),
    ('count', 'persons', '', c.persons),
    ('count', 'sessions', '', c.sessions),
    ('size', 'effective_persons', '', h.effective),
    ('present', 'user_id', '', c.user_id),
    ('present', 'anonymous_id', '', c.anonymous_id),
    ('present', 'person', '', c.person),
    ('present', 'session_id', '', c.session_id),
    ('present', 'entity_id', '', c.entity_id),
    ('present', 'country', '', c.country),
    ('present', 'region', '', c.region),
    ('present', 'city', '', c.city),
    ('present', 'device_type', '', c.device_type),
    ('present', 'platform', '', c.platform),
    ('present', 'app_version', '', c.app_version),
    ('present', 'value', '', c.value),
    ('present', 'currency', '', c.currency),
    ('share', 'ahead', '', c.ahead),
    ('share', 'late', '', c.late),
    ('share', 'whole_seconds', '', c.whole_seconds),
    ('share', 'whole_minutes', '', c.whole_minutes),
    ('share', 'whole_hours', '', c.whole_hours),
    ('share', 'filler', '', c.filler),
    ('share', 'test_id', '', c.test_id),
    ('share', 'repeated', '', c.events - c.moments),
    ('share', 'repeated_content', '', c.events - c.contents),
    ('share', 'busiest', '', h.busiest),
    ('level', 'events_per_person', 'mean', case when c.persons > 0 then c.person::float8 / c.persons end),
    ('level', 'events_per_person', 'p98', h.most),
    ('level', 'events_per_session', 'mean', case when c.sessions > 0 then c.session_id::float8 / c.sessions end)
) as m (metric, subject, value, amount)
where m.amount is not null
