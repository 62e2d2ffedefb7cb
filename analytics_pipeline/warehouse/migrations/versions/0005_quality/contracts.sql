-- What becomes of events that the plan does not describe, and properties that any event may carry.
alter table config.plan
add column unknown_events text not null default 'accept' check (unknown_events in ('accept', 'quarantine'));
alter table config.properties
add column is_shared boolean not null default false;

-- Of records that were refused because the event breaks its contract; faults: [{"property", "violation", "example", "expected"}].
alter table raw.quarantine
add column event_name text,
add column app_version text,
add column occurred_at timestamptz,
add column faults jsonb;
create index on raw.quarantine (occurred_at) where faults is not null and resolved_at is null;

-- Local days whose raw events have been held against the plan, and against which one.
create table ops.contract_days (
    day date primary key,
    events bigint not null,
    contracts_hash text not null,
    counted_at timestamptz not null default clock_timestamp()
);

-- What came: events that carried a property with a value; '' as property: events at all. Names are cut to 200 characters, so
-- that they fit into an index, and '(other)' stands for what is too manifold to be kept by name.
create table ops.contract_seen (
    day date not null references ops.contract_days on delete cascade,
    event_name text not null,
    property text not null,
    app_version text not null,
    events bigint not null,
    primary key (day, event_name, property, app_version)
);

-- What broke the plan and was let in. The example is masked where it is or may be personal.
create table ops.contract_violations (
    day date not null references ops.contract_days on delete cascade,
    event_name text not null,
    property text not null,
    violation text not null check (
        violation in ('unknown_event', 'unknown_property', 'missing', 'wrong_type', 'impossible_value')
    ),
    app_version text not null,
    events bigint not null,
    example text,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    primary key (day, event_name, property, violation, app_version)
);

-- Both what was let in and what is in quarantine, by day and version. What a later plan allows is no fault any more.
create view ops.contract_faults as
with refused as (
    select
        (q.occurred_at at time zone p.timezone)::date as day,
        left(q.event_name, 200) as event_name,
        left(f.property, 200) as property,
        f.violation,
        left(coalesce(q.app_version, '(none)'), 200) as app_version,
        f.example,
        q.occurred_at
    from raw.quarantine as q
    cross join lateral jsonb_to_recordset(q.faults) as f (property text, violation text, example text)
    cross join config.plan as p
    where q.faults is not null and q.resolved_at is null
),

faults as (
    select day, event_name, property, violation, app_version, events as flagged, 0::bigint as quarantined, example, first_seen, last_seen
    from ops.contract_violations
    union all
    select
        day, event_name, property, violation, app_version, 0, count(*), min(example) filter (where example <> ''), min(occurred_at),
        max(occurred_at)
    from refused
    group by day, event_name, property, violation, app_version
)

select
    f.day,
    f.event_name,
    f.property,
    f.violation,
    f.app_version,
    sum(f.flagged)::bigint as flagged,
    sum(f.quarantined)::bigint as quarantined,
    min(f.example) as example,
    min(f.first_seen) as first_seen,
    max(f.last_seen) as last_seen
from faults as f
left join config.events as e on f.event_name = left(e.event_name, 200)
left join config.properties as p on e.event_name = p.event_name and f.property = p.property
where
    case f.violation
        when 'unknown_event' then e.event_name is null
        when 'unknown_property' then e.event_name is not null and p.property is null
        when 'missing' then p.is_required
        else p.property is not null
    end
group by f.day, f.event_name, f.property, f.violation, f.app_version;

-- The plan beside what came in the last 28 days that were counted: one row for each event ('' as property) and property of
-- either. A property that any event may carry stands beside the events that carry it, and beside none when it never came.
create view ops.contract_drift as
with span as (
    select coalesce(max(day) - 27, '-infinity') as first_day from ops.contract_days
),

seen as (
    select
        s.event_name,
        s.property,
        min(s.day) as first_day,
        max(s.day) as last_day,
        coalesce(sum(s.events) filter (where s.day >= w.first_day), 0)::bigint as events,
        array_agg(distinct s.app_version) filter (where s.day >= w.first_day) as versions
    from ops.contract_seen as s
    cross join span as w
    group by s.event_name, s.property
),

faults as (
    select
        f.event_name,
        f.property,
        min(f.day) filter (where f.violation <> 'missing') as first_day,
        max(f.day) filter (where f.violation <> 'missing') as last_day,
        coalesce(sum(f.flagged) filter (where f.day >= w.first_day), 0)::bigint as flagged,
        coalesce(sum(f.quarantined) filter (where f.day >= w.first_day), 0)::bigint as quarantined,
        array_agg(distinct f.app_version) filter (where f.day >= w.first_day) as versions
    from ops.contract_faults as f
    cross join span as w
    group by f.event_name, f.property
),

refused as (
    select
        left(q.event_name, 200) as event_name,
        '' as property,
        min((q.occurred_at at time zone p.timezone)::date) as first_day,
        max((q.occurred_at at time zone p.timezone)::date) as last_day,
        count(*) filter (where (q.occurred_at at time zone p.timezone)::date >= w.first_day) as quarantined
    from raw.quarantine as q
    cross join config.plan as p
    cross join span as w
    where q.faults is not null and q.resolved_at is null
    group by left(q.event_name, 200)
),

declared as (
    select
        left(e.event_name, 200) as event_name,
        '' as property,
        e.contract,
        null as type,
        false as is_required,
        false as is_personal,
        false as is_shared,
        e.description
    from config.events as e
    union all
    select left(e.event_name, 200), p.property, e.contract, p.type, p.is_required, p.is_personal, p.is_shared, p.description
    from config.properties as p
    inner join config.events as e on p.event_name = e.event_name
    where
        not p.is_shared
        or exists (select from seen as s where s.event_name = left(e.event_name, 200) and s.property = p.property)
        or exists (select from faults as f where f.event_name = left(e.event_name, 200) and f.property = p.property)
    union all
    select distinct '', p.property, null, p.type, p.is_required, p.is_personal, true, p.description
    from config.properties as p
    where
        p.is_shared
        and not exists (select from seen as s where s.property = p.property)
        and not exists (select from faults as f where f.property = p.property)
),

together as (
    select
        event_name,
        property,
        d.event_name is not null as is_declared,
        d.contract,
        d.type,
        coalesce(d.is_required, false) as is_required,
        coalesce(d.is_personal, false) as is_personal,
        coalesce(d.is_shared, false) as is_shared,
        coalesce(d.description, '') as description,
        least(s.first_day, f.first_day, r.first_day) as first_day,
        greatest(s.last_day, f.last_day, r.last_day) as last_day,
        array(select distinct v from unnest(s.versions || f.versions) as v order by v) as versions,
        coalesce(s.events, 0) as events,
        coalesce(f.flagged, 0) as flagged,
        coalesce(r.quarantined, f.quarantined, 0) as quarantined
    from declared as d
    full join seen as s using (event_name, property)
    full join faults as f using (event_name, property)
    full join refused as r using (event_name, property)
)

select
    t.event_name,
    t.property,
    t.is_declared,
    t.first_day is not null as is_seen,
    t.contract,
    t.type,
    t.is_required,
    t.is_personal,
    t.is_shared,
    t.description,
    t.first_day,
    t.last_day,
    t.versions,
    t.events,
    t.events / nullif(
        case when t.property = '' then sum(t.events) filter (where t.property = '') over () else o.events end, 0
    )::double precision as share,
    t.flagged,
    t.quarantined,
    case
        when not t.is_declared then 'not in the plan'
        when t.property <> '' and t.flagged + t.quarantined > 0 then 'breaks the plan'
        when t.first_day is null then 'never came'
        when t.events + t.quarantined = 0 and not t.is_shared then 'no longer comes'
        else 'as planned'
    end as state
from together as t
left join seen as o on t.event_name = o.event_name and o.property = '';

grant select on ops.contract_days, ops.contract_seen, ops.contract_violations, ops.contract_faults, ops.contract_drift to analytics_reader;
