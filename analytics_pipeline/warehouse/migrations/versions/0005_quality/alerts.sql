-- Incidents: one row from the moment something goes wrong until it is over, however often it is seen in between.
create table ops.alerts (
    alert_id bigint generated always as identity primary key,
    incident text not null,
    severity text not null check (severity in ('critical', 'warning')),
    owner text,
    title text not null,
    body text not null default '',
    details jsonb not null default '{}',
    opened_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp(),
    occurrences bigint not null default 1,
    closed_at timestamptz,
    closing text
);
create unique index one_open_alert_of_an_incident on ops.alerts (incident) where closed_at is null;
create index on ops.alerts (incident, opened_at);

-- One message of one alert to one recipient. severity and tells_end: as the last attempt told it, so that what has changed
-- since is told, and only that. paused_until: the receiver asked to be left alone until then, by anybody.
create table ops.alert_deliveries (
    delivery_id bigint generated always as identity primary key,
    alert_id bigint not null references ops.alerts on delete cascade,
    event text not null check (event in ('opened', 'escalated', 'closed')),
    channel text not null check (channel in ('webhook', 'email', 'file')),
    recipient text not null default '',
    status text not null default 'pending' check (status in ('pending', 'delivered', 'given_up', 'withdrawn')),
    attempts integer not null default 0,
    next_attempt_at timestamptz not null,
    delivered_at timestamptz,
    paused_until timestamptz,
    last_error text,
    severity text check (severity in ('critical', 'warning')),
    tells_end boolean not null default false,
    planned_at timestamptz not null default clock_timestamp(),
    unique (alert_id, event, channel, recipient)
);
create index on ops.alert_deliveries (next_attempt_at) where status = 'pending';

-- The plan's alerts: one row, and none before the first plan. Quiet hours are local times, and may cross midnight.
create table config.alerting (
    default_owner text not null,
    quiet_from time,
    quiet_to time,
    hold text not null default 'warnings' check (hold in ('warnings', 'all')),
    check ((quiet_from is null) = (quiet_to is null) and quiet_from <> quiet_to)
);
create table config.owners (
    owner text primary key,
    emails text[] not null
);

grant select on ops.alerts, ops.alert_deliveries, config.alerting, config.owners to analytics_reader;
