create schema if not exists raw;
create schema if not exists config;
create schema if not exists ml;
create schema if not exists live;
create schema if not exists marts;
create schema if not exists kpi;

-- raw ---------------------------------------------------------------------------------------------------------------

create table raw.ingest_batches (
    batch_id uuid primary key,
    source text not null,
    uri text not null,
    content_sha256 text not null,
    mapping_sha256 text not null,
    status text not null check (status in ('loading', 'loaded', 'failed', 'revoked')),
    error text,
    rows_read bigint not null default 0,
    rows_accepted bigint not null default 0,
    rows_duplicate bigint not null default 0,
    rows_quarantined bigint not null default 0,
    min_occurred_at timestamptz,
    max_occurred_at timestamptz,
    started_at timestamptz not null,
    finished_at timestamptz,
    constraint nothing_is_lost check (rows_read = rows_accepted + rows_duplicate + rows_quarantined)
);
create unique index one_load_of_a_file on raw.ingest_batches (source, content_sha256) where status = 'loaded';

create table raw.events (
    event_id uuid not null,
    event_name text not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    source text not null,
    user_id text,
    anonymous_id text,
    session_id text,
    entity_type text,
    entity_id text,
    country text,
    region text,
    city text,
    device_type text,
    platform text,
    app_version text,
    value numeric(18, 4),
    currency text,
    properties jsonb not null default '{}',
    batch_id uuid not null
);
create unique index events_event_id_occurred_at on raw.events (event_id, occurred_at);
create index events_occurred_at on raw.events using brin (occurred_at) with (pages_per_range = 32);

create table raw.quarantine (
    batch_id uuid not null references raw.ingest_batches,
    source text not null,
    uri text not null,
    line_number bigint not null,
    reason_code text not null,
    reason text not null,
    payload bytea not null,
    quarantined_at timestamptz not null,
    resolved_at timestamptz
);
create index on raw.quarantine (batch_id);

-- Where the server has TimescaleDB, raw events are a hypertable, unless the settings say off; everything else stays the same.
do $$
begin
    if current_setting('analytics.timescaledb', true) is distinct from 'off'
    and exists (select from pg_available_extensions where name = 'timescaledb') then
        create extension if not exists timescaledb;
        perform create_hypertable('raw.events', by_range('occurred_at', interval '7 days'), create_default_indexes => false);
    end if;
end
$$;

-- config: the compiled tracking plan --------------------------------------------------------------------------------

create table config.plan (
    is_current boolean primary key default true check (is_current),
    name text not null,
    title text not null,
    plan_hash text not null,
    timezone text not null,
    week_start text not null check (week_start in ('monday', 'sunday')),
    currency text not null,
    starts_at timestamptz not null,
    identity_mode text not null check (identity_mode in ('last_known', 'first_known', 'none')),
    session_timeout interval not null,
    max_session interval not null,
    values_per_dimension integer not null,
    conversion_sql text not null,
    document jsonb not null,
    published_at timestamptz not null
);
create table config.events (
    event_name text primary key,
    description text not null,
    is_activity boolean not null,
    is_page boolean not null
);
create table config.dimensions (
    dimension text primary key,
    position integer not null,
    expression_sql text not null,
    definition_hash text not null
);
create table config.measures (
    measure text primary key,
    relation text not null check (relation in ('events', 'sessions', 'active_users')),
    expression_sql text not null,
    definition_hash text not null
);
create table config.kpis (
    kpi_name text primary key,
    position integer not null,
    title text not null,
    description text not null,
    formula text not null,
    numerator_sql text not null,
    denominator_sql text,
    unit text not null,
    direction text not null check (direction in ('up', 'down')),
    owner text not null,
    dimensions text[] not null,
    target numeric,
    warning numeric,
    critical numeric,
    headline boolean not null,
    forecast boolean not null,
    watch boolean not null,
    definition_hash text not null
);
create table config.funnels (
    funnel text primary key,
    title text not null,
    conversion_window interval,
    definition_hash text not null
);
create table config.funnel_steps (
    funnel text not null references config.funnels on delete cascade,
    step integer not null,
    title text not null,
    condition_sql text not null,
    primary key (funnel, step)
);
create table config.retentions (
    retention text primary key,
    title text not null,
    mode text not null check (mode in ('recurring', 'first_time')),
    grain text not null check (grain in ('day', 'week', 'month')),
    periods integer not null,
    start_sql text not null,
    return_sql text not null,
    definition_hash text not null
);

-- ops ---------------------------------------------------------------------------------------------------------------

create table ops.builds (
    build_id uuid primary key,
    status text not null check (status in ('building', 'published', 'blocked', 'abandoned')),
    reason text,
    as_of timestamptz not null,
    previous_as_of timestamptz,
    is_full boolean not null,
    plan_hash text not null,
    code_hash text not null,
    run_id text,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    row_counts jsonb
);
create unique index one_build_at_a_time on ops.builds (status) where status = 'building';

-- A row names a day (of the plan's zone), or a person, or, with neither, everything.
create table ops.changes (
    change_id bigint generated always as identity primary key,
    cause text not null check (cause in ('ingest', 'replay', 'revoke', 'erase', 'plan', 'backfill')),
    batch_id uuid,
    day date,
    person_key text,
    created_at timestamptz not null default clock_timestamp(),
    consumed_by uuid references ops.builds,
    check (day is null or person_key is null)
);
create index on ops.changes (batch_id) where consumed_by is null;
create index on ops.changes (consumed_by);

create table ops.build_changes (
    build_id uuid not null references ops.builds on delete cascade,
    change_id bigint not null references ops.changes,
    primary key (build_id, change_id)
);

create view ops.current_build as
select * from ops.builds where status = 'building';

-- What readers see; no row before the first.
create view ops.published_build as
select * from ops.builds where status = 'published' order by finished_at desc limit 1;

create view ops.current_changes as
select c.*
from ops.build_changes as bc
inner join ops.current_build as b on bc.build_id = b.build_id
inner join ops.changes as c on bc.change_id = c.change_id;

-- Batches that committed after the current build froze its changes: it must not see half of them.
create view ops.hidden_batches as
select distinct c.batch_id
from ops.changes as c
where
    c.consumed_by is null
    and c.batch_id is not null
    and c.cause in ('ingest', 'replay')
    and not exists (
        select 1
        from ops.build_changes as bc
        inner join ops.current_build as b on bc.build_id = b.build_id
        where bc.change_id = c.change_id
    );

create table ops.quality_results (
    gate text not null,
    build_id uuid,
    relation text not null,
    check_name text not null,
    severity text not null check (severity in ('blocking', 'warning')),
    passed boolean not null,
    rows_checked bigint,
    rows_failed bigint,
    details jsonb not null,
    checked_at timestamptz not null default clock_timestamp()
);
create index on ops.quality_results (checked_at);

create table ops.tier_catalogue (
    object_key text primary key,
    relation text not null,
    day date not null,
    range_start timestamptz not null,
    range_end timestamptz not null,
    store_url text not null,
    object_version text,
    rows bigint not null,
    bytes bigint not null,
    sha256 text not null,
    content_checksum text not null,
    schema_version integer not null,
    status text not null check (status in ('current', 'replaced')),
    verified_at timestamptz not null,
    created_at timestamptz not null default clock_timestamp()
);
create unique index one_current_object_a_day on ops.tier_catalogue (relation, day) where status = 'current';

create table ops.report_executions (
    execution_id bigint generated always as identity primary key,
    template text not null,
    format text not null,
    build_id uuid not null references ops.builds,
    report_date date not null,
    inputs_hash text not null,
    path text not null,
    bytes bigint not null,
    created_at timestamptz not null default clock_timestamp()
);

-- What a step has done, and from which inputs: how a rerun knows that nothing is left to do.
create table ops.step_state (
    step text primary key,
    inputs_hash text not null,
    summary text not null,
    seconds numeric not null,
    finished_at timestamptz not null default clock_timestamp()
);

-- ml ----------------------------------------------------------------------------------------------------------------

create table ml.model_runs (
    model_run_id uuid primary key,
    kind text not null check (kind in ('forecast', 'anomaly')),
    build_id uuid not null references ops.builds,
    model text not null,
    parameters jsonb not null,
    seconds numeric not null,
    created_at timestamptz not null default clock_timestamp()
);
create table ml.forecasts (
    model_run_id uuid not null references ml.model_runs on delete cascade,
    kpi_name text not null,
    period_date date not null,
    mean double precision not null,
    lower_80 double precision not null,
    upper_80 double precision not null,
    lower_95 double precision not null,
    upper_95 double precision not null,
    primary key (model_run_id, kpi_name, period_date),
    check (lower_95 <= lower_80 and lower_80 <= mean and mean <= upper_80 and upper_80 <= upper_95)
);
create table ml.forecast_accuracy (
    model_run_id uuid not null references ml.model_runs on delete cascade,
    kpi_name text not null,
    model text not null,
    origins integer not null,
    horizon integer not null,
    mae double precision not null,
    rmse double precision not null,
    coverage_80 double precision not null,
    coverage_95 double precision not null,
    naive_mae double precision not null,
    naive_rmse double precision not null,
    primary key (model_run_id, kpi_name)
);
create table ml.anomalies (
    model_run_id uuid not null references ml.model_runs on delete cascade,
    kpi_name text not null,
    period_date date not null,
    dimension text not null,
    dimension_value text not null,
    value double precision,
    expected double precision not null,
    score double precision not null,
    direction text not null check (direction in ('above', 'below')),
    drivers jsonb not null,
    primary key (model_run_id, kpi_name, period_date, dimension, dimension_value)
);

-- readers -----------------------------------------------------------------------------------------------------------

-- A role is the server's, not the database's: several warehouses on one server share it.
do $$
begin
    create role analytics_reader nologin;
exception when duplicate_object or unique_violation then null;
end
$$;
do $$
declare
    name text;
begin
    execute format('grant analytics_reader to %I', current_user);
    foreach name in array array['raw', 'config', 'ops', 'ml', 'live', 'marts', 'kpi'] loop
        execute format('grant usage on schema %I to analytics_reader', name);
        execute format('grant select on all tables in schema %I to analytics_reader', name);
        execute format('alter default privileges in schema %I grant select on tables to analytics_reader', name);
    end loop;
end
$$;
