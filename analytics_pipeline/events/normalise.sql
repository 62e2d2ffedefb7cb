-- Gives each record of the view `fields` its final form, or the reason why it is refused.
with typed as (
    select
        *,
        case when named_keys is distinct from len(json_keys(prepared)) then json_keys(prepared) end as unnamed_keys,
        coalesce(received_time, now) as received,
        try_cast(event_id as uuid) as uuid,
        case when strlen(prepared) > longest then greatest(
            length(event_name), length(user_id), length(anonymous_id), length(session_id), length(entity_type), length(entity_id),
            length(country), length(region), length(city), length(device_type), length(platform), length(app_version),
            length(currency)
        ) end as longest_text
    from fields cross join constants
),

reasoned as (
    select
        *,
        case
            when problem is not null then problem
            when list_unique(unnamed_keys) < len(unnamed_keys) then 'duplicate_key'
            when event_name is null then 'missing_event_name'
            when occurred_at is null then 'missing_time'
            when occurred_time is null and lacks_zone then 'time_without_zone'
            when occurred_time is null then 'invalid_time'
            when received_at is not null and received_time is null then 'invalid_received_time'
            when received > now + interval 1 year then 'invalid_received_time'
            when occurred_time < starts_at then 'before_start'
            when occurred_time > received + interval 1 day then 'in_future'
            when occurred_time < greatest(horizon, horizons[list_position(horizon_names, event_name)]) then 'too_late'
            when value is not null and number is null then 'invalid_value'
            when properties is not null
                and not case when starts_with(properties, '{') and not contains(document, '"{') then true else is_object(properties) end then 'invalid_properties'
            when longest_text > longest then 'text_too_long'
        end as reason_code,
        -- What an id is made from where there is no UUID; null elsewhere, so that nothing is hashed there.
        case when uuid is null then source || ':' || coalesce(event_id, trim_space(document)) end as name,
        case when unnamed_keys is null then '{}' else json_merge_patch(prepared, known) end as rest
    from typed
)

select
    line_number,
    reason_code,
    case
        when reason_code = 'invalid_value' then value
        when reason_code = 'invalid_received_time' then received_at
        when reason_code in ('invalid_time', 'time_without_zone', 'before_start', 'in_future', 'too_late') then occurred_at
    end as offending,
    coalesce(uuid, uuid_v5(name)) as event_id,
    event_name,
    case when reason_code is null then occurred_time end as occurred_at,
    case when reason_code is null then received end as received_at,
    source,
    user_id,
    anonymous_id,
    session_id,
    entity_type,
    entity_id,
    country,
    region,
    city,
    device_type,
    platform,
    app_version,
    number as value,
    upper(currency) as currency,
    case
        when reason_code is not null then '{}'
        when properties is null then rest
        else merged(rest::varchar, properties)
    end as properties,
    batch_id,
    constants_have_specials or contains(document, '\') as has_specials
from reasoned
