-- A batch is read by a build once the raw gate has released it; a held one waits for a person, or for what it lacks.
alter table raw.ingest_batches
add column gate_status text not null default 'pending' check (gate_status in ('pending', 'released', 'held')),
add column gate_reason text,
add column judged_at timestamptz;
update raw.ingest_batches set gate_status = 'released', judged_at = finished_at;
create index on raw.ingest_batches (gate_status) where gate_status <> 'released';

-- One pass of one gate. accepted: checks that block failed, and an owner has taken that upon them.
create table ops.gate_runs (
    gate_run_id uuid primary key,
    gate text not null check (gate in ('raw', 'build')),
    build_id uuid references ops.builds,
    run_id text,
    as_of timestamptz not null,
    outcome text not null check (outcome in ('passed', 'blocked', 'accepted')),
    reason text,
    checks integer not null,
    failed integer not null,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp()
);
create index on ops.gate_runs (finished_at);

-- Failures that an owner takes upon them: of one blocked pass, until a build is published.
create table ops.acceptances (
    gate_run_id uuid primary key references ops.gate_runs,
    reason text not null,
    accepted_by text not null,
    accepted_at timestamptz not null default clock_timestamp()
);

alter table ops.quality_results
add column gate_run_id uuid references ops.gate_runs,
add column engine text not null default 'great_expectations'
check (engine in ('great_expectations', 'dbt', 'drift', 'contract', 'rules', 'freshness')),
add column quality_dimension text not null default 'validity' check (
    quality_dimension in (
        'completeness', 'validity', 'uniqueness', 'consistency', 'timeliness', 'volume', 'distribution', 'schema', 'integrity'
    )
),
add column examples jsonb not null default '[]',
add column accepted boolean not null default false;
create index on ops.quality_results (gate_run_id);

-- What readers see, and whether it is the newest: a pass that blocked since makes it stale.
create view ops.publication as
select
    p.build_id,
    p.as_of,
    p.finished_at as published_at,
    b.gate_run_id is not null as is_stale,
    b.finished_at as stale_since,
    b.gate as blocked_by,
    b.reason,
    b.gate_run_id,
    a.reason as accepted
from (select 1) as one
left join ops.published_build as p on true
left join lateral (
    select g.* from ops.gate_runs as g
    where g.outcome = 'blocked' and g.finished_at > coalesce(p.finished_at, '-infinity')
    order by g.finished_at desc
    limit 1
) as b on true
left join lateral (
    select string_agg(g.reason, '; ' order by g.finished_at) as reason from ops.gate_runs as g
    where g.outcome = 'accepted' and (g.build_id = p.build_id or g.run_id = p.run_id)
) as a on true;

-- What a local day of raw events looked like, kind by kind: the history that later days are held against.
create table ops.profiled_days (
    day date primary key,
    outcome text not null check (outcome in ('passed', 'blocked', 'accepted')),
    profiled_at timestamptz not null default clock_timestamp()
);
create table ops.profiles (
    day date not null references ops.profiled_days on delete cascade,
    event_name text not null,
    metric text not null,
    subject text not null,
    value text not null,
    amount double precision,
    events double precision not null,
    primary key (day, event_name, metric, subject, value)
);

-- The plan's own rules over events.
create table config.rules (
    rule text primary key,
    description text not null,
    kind text not null check (kind in ('holds', 'unique', 'references', 'equals')),
    severity text not null check (severity in ('blocking', 'warning')),
    event_name text,
    condition_sql text,
    value_sql text,
    other_event_name text,
    other_value_sql text,
    days integer,
    tolerance numeric not null
);

grant select on ops.gate_runs, ops.acceptances, ops.publication, ops.profiled_days, ops.profiles, config.rules to analytics_reader;
