-- What is counted: events as raw.events has them, properties as JSON objects.
create table events (
    event_name varchar,
    occurred_at timestamptz,
    user_id varchar,
    anonymous_id varchar,
    session_id varchar,
    country varchar,
    region varchar,
    city varchar,
    device_type varchar,
    platform varchar,
    app_version varchar,
    value double,
    currency varchar,
    properties varchar
)
