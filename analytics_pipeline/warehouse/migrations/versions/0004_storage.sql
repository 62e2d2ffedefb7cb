-- The plan's storage: one row, and none before the first plan.
create table config.storage (
    chunk_interval interval not null,
    hot interval,
    warehouse interval,
    cold interval
);

-- Events before a horizon have left the warehouse, or are about to: '' for all, else of one name. Always the beginning of a
-- local day, so that a day is there whole or counts no more.
create table ops.horizons (
    event_name text primary key,
    before timestamptz not null,
    moved_at timestamptz not null default clock_timestamp()
);

-- What has left on purpose, so that the books stay even.
create table ops.departures (
    batch_id uuid not null,
    event_name text not null,
    rows bigint not null check (rows > 0),
    reason text not null check (reason in ('retention', 'keep')),
    departed_at timestamptz not null default clock_timestamp()
);
create index on ops.departures (batch_id);

-- What keeps a table small and fresh, by whom, and what it last did.
create table ops.policies (
    relation text not null,
    policy text not null,
    setting text not null,
    owner text not null check (owner in ('dagster', 'timescaledb')),
    ran_at timestamptz,
    summary text not null default '',
    primary key (relation, policy)
);

-- live: fresh to the last commit, unaudited, and read by no KPI ------------------------------------------------------------

-- Changes whose days live.quarter_hours has taken up, on servers without continuous aggregates.
create table live.refreshed_changes (
    change_id bigint primary key
);

do $$
declare
    has_columnstore boolean := false;
begin
    if exists (select from pg_extension where extname = 'timescaledb') then
        -- The licence is known once the library is loaded.
        perform time_bucket(interval '1 day', now());
        select current_setting('timescaledb.license', true) = 'timescale' and count(*) > 0 into has_columnstore
        from timescaledb_information.hypertables where hypertable_schema = 'raw' and hypertable_name = 'events';
    end if;
    if has_columnstore then
        -- By event name: few values, whole segments of one kind to delete, and the best ratio of those measured.
        alter table raw.events set (
            timescaledb.compress, timescaledb.compress_segmentby = 'event_name', timescaledb.compress_orderby = 'occurred_at, event_id'
        );
        create materialized view live.quarter_hours
        with (timescaledb.continuous, timescaledb.materialized_only = false) as
        select
            time_bucket(interval '15 minutes', occurred_at) as starts_at,
            event_name,
            currency,
            platform,
            count(*) as events,
            sum(value) as value
        from raw.events
        group by 1, 2, 3, 4
        with no data;
    else
        create table live.quarter_hours_stored (
            starts_at timestamptz not null,
            event_name text not null,
            currency text,
            platform text,
            events bigint not null,
            value numeric
        );
        create index on live.quarter_hours_stored (starts_at);
        create table live.watermark (
            at timestamptz not null
        );
        create view live.quarter_hours as
        select starts_at, event_name, currency, platform, events, value
        from live.quarter_hours_stored
        where starts_at < (select at from live.watermark)
        union all
        select date_bin(interval '15 minutes', occurred_at, '2001-01-01+00'), event_name, currency, platform, count(*), sum(value)
        from raw.events
        where occurred_at >= coalesce((select at from live.watermark), '-infinity')
        group by 1, 2, 3, 4;
    end if;
end
$$;

-- Quarters of an hour are whole in every zone, so that hours and days are cut in the plan's, also where the clock changes.
create view live.hourly_events as
select
    date_trunc('hour', q.starts_at, p.timezone) as hour,
    (q.starts_at at time zone p.timezone)::date as day,
    q.event_name,
    q.currency,
    q.platform,
    sum(q.events)::bigint as events,
    sum(q.value) as value,
    true as is_unaudited
from live.quarter_hours as q cross join config.plan as p
where q.starts_at <= now()
group by 1, 2, 3, 4, 5;

create view live.daily_events as
select
    (q.starts_at at time zone p.timezone)::date as day,
    q.event_name,
    q.currency,
    q.platform,
    sum(q.events)::bigint as events,
    sum(q.value) as value,
    true as is_unaudited
from live.quarter_hours as q cross join config.plan as p
where q.starts_at <= now()
group by 1, 2, 3, 4;

-- The plan's currency for an amount of a day; null where no rate is known.
create function live.converted(amount numeric, of_currency text, on_day date) returns numeric language sql stable as $$
    select case
        when of_currency is null or of_currency = (select p.currency from config.plan as p) then amount
        else amount * (
            select r.rate from config.rates as r
            where r.currency = of_currency and r.valid_from <= on_day
            order by r.valid_from desc
            limit 1
        )
    end
$$;

grant select on all tables in schema live to analytics_reader;
grant select on ops.horizons, ops.departures, ops.policies, config.storage to analytics_reader;
