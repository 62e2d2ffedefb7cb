-- What is wrong on some days, the most frequent first. Shares are of all events of the name, also of refused ones.
with faults as (
    select event_name, property, violation, app_version, day, flagged, quarantined, flagged + quarantined as events, example
    from ops.contract_faults
    where day between %(first)s and %(last)s
),

versions as (
    select event_name, property, violation, jsonb_object_agg(app_version, events) as versions
    from (
        select event_name, property, violation, app_version, sum(events)::bigint as events from faults
        group by event_name, property, violation, app_version
    ) as summed
    group by event_name, property, violation
),

by_day as (
    select event_name, property, violation, jsonb_object_agg(day, events) as by_day
    from (
        select event_name, property, violation, day, sum(events)::bigint as events from faults
        group by event_name, property, violation, day
    ) as summed
    group by event_name, property, violation
),

came as (
    select event_name, events from ops.contract_seen
    where property = '' and day between %(first)s and %(last)s
    union all
    select left(q.event_name, 200), 1
    from raw.quarantine as q
    cross join config.plan as p
    where
        q.faults is not null and q.resolved_at is null
        and (q.occurred_at at time zone p.timezone)::date between %(first)s and %(last)s
),

totals as (
    select event_name, sum(events)::bigint as events from came group by event_name
)

select
    f.event_name,
    f.property,
    f.violation,
    sum(f.flagged)::bigint as flagged,
    sum(f.quarantined)::bigint as quarantined,
    sum(f.events)::bigint as events,
    sum(f.events)::double precision / nullif(max(t.events), 0) as share,
    min(f.example) as example,
    min(f.day) as first_day,
    max(f.day) as last_day,
    v.versions,
    d.by_day
from faults as f
inner join versions as v using (event_name, property, violation)
inner join by_day as d using (event_name, property, violation)
left join totals as t using (event_name)
group by f.event_name, f.property, f.violation, v.versions, d.by_day
order by events desc, f.event_name, f.property, f.violation
limit %(most)s
