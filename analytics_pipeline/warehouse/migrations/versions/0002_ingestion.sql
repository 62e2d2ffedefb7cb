-- Batches: what kind of load, in which order they were committed, and how a quarantined payload is read again.
alter table raw.ingest_batches
add column kind text not null default 'file' check (kind in ('file', 's3', 'kafka', 'redis', 'sql', 'replay')),
add column commit_order bigint,
add column payload_format jsonb not null default '{"kind": "json"}',
add column replays uuid references raw.ingest_batches,
add column revoked_at timestamptz;

create sequence raw.commit_order;
update raw.ingest_batches set commit_order = nextval('raw.commit_order') where status = 'loaded';
create index on raw.ingest_batches (commit_order);
create index on raw.ingest_batches (replays) where replays is not null;

-- When a refused record was sent to the source's dead letters.
alter table raw.quarantine add column forwarded_at timestamptz;
create index on raw.quarantine (reason_code) where resolved_at is null;

-- Up to where a stream or a table has been read: written together with the rows.
create table raw.ingest_positions (
    source text not null,
    part text not null,
    position jsonb not null,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (source, part)
);

-- Without TimescaleDB raw events are partitioned by weeks; `warehouse.partitions` creates them. What is there becomes the
-- first partition as it is.
do $$
declare
    first_week timestamptz;
    last_week timestamptz;
begin
    if exists (select from pg_extension where extname = 'timescaledb') then
        if exists (
            select from timescaledb_information.hypertables where hypertable_schema = 'raw' and hypertable_name = 'events'
        ) then
            return;
        end if;
    end if;
    alter table raw.events rename to events_before_partitions;
    alter index raw.events_event_id_occurred_at rename to events_before_partitions_event_id_occurred_at;
    alter index raw.events_occurred_at rename to events_before_partitions_occurred_at;
    create table raw.events (like raw.events_before_partitions including defaults including constraints)
    partition by range (occurred_at);
    create unique index events_event_id_occurred_at on raw.events (event_id, occurred_at);
    create index events_occurred_at on raw.events using brin (occurred_at) with (pages_per_range = 32);
    select
        date_bin('7 days', min(occurred_at), '2001-01-01+00'),
        date_bin('7 days', max(occurred_at), '2001-01-01+00') + interval '7 days'
    into first_week, last_week
    from raw.events_before_partitions;
    if first_week is null then
        drop table raw.events_before_partitions;
    else
        execute format(
            'alter table raw.events attach partition raw.events_before_partitions for values from (%L) to (%L)',
            first_week, last_week
        );
    end if;
    grant select on raw.events to analytics_reader;
end
$$;
grant select on raw.ingest_positions to analytics_reader;

-- Objects of S3 prefixes that have been looked at, so that a listing of a million keys downloads what is new only.
create table raw.ingest_objects (
    source text not null,
    uri text not null,
    version text not null,
    batch_id uuid references raw.ingest_batches,
    seen_at timestamptz not null default clock_timestamp(),
    primary key (source, uri, version)
);
grant select on raw.ingest_objects to analytics_reader;
