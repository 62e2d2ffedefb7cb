-- Records to events. Parameters: $paths and $constants, one for each column in the order of envelope.FIELDS (position 1 is
-- event_id); $id_paths; $known, a merge patch that removes the mapped keys; $source; formats and zones of both times;
-- $starts_at; $received_at for records that bring none.
with extracted as (
    select
        line_number,
        payload,
        document,
        problem,
        list_transform(
            list_zip(json_extract_string(document, $paths), $constants),
            lambda x: nullif(coalesce(x[1], x[2]), '')
        ) as f,
        array_to_string(json_extract_string(document, $id_paths), '/') as natural_id
    from records
),

parsed as (
    select
        *,
        parse_time(f[3], $occurred_format, $occurred_zone) as occurred_at,
        coalesce(parse_time(f[4], $received_format, $received_zone), $received_at::timestamptz) as received_at,
        try_cast(f[16] as decimal(18, 4)) as value,
        json_merge_patch(document, $known) as rest
    from extracted
),

judged as (
    select
        *,
        case
            when problem is not null then problem
            when f[2] is null then 'missing_event_name'
            when f[3] is null then 'missing_time'
            when occurred_at is null and lacks_zone(f[3], $occurred_format, $occurred_zone) then 'time_without_zone'
            when occurred_at is null then 'invalid_time'
            when f[4] is not null and parse_time(f[4], $received_format, $received_zone) is null
                then 'invalid_received_time'
            when received_at > $received_at::timestamptz + interval '1 year' then 'invalid_received_time'
            when occurred_at < $starts_at::timestamptz then 'before_start'
            when occurred_at > received_at + interval '1 day' then 'in_future'
            when f[16] is not null and value is null then 'invalid_value'
            when f[18] is not null and regexp_matches(f[18], '(^|[^\\])(\\\\)*\\u0000') then 'nul_in_text'
            when f[18] is not null and (not json_valid(f[18]) or json_type(f[18]) != 'OBJECT') then 'invalid_properties'
        end as reason_code
    from parsed
)

select
    line_number,
    payload,
    reason_code,
    coalesce(f[3], '') as time_text,
    coalesce(f[16], '') as value_text,
    case
        when try_cast(natural_id as uuid) is not null then try_cast(natural_id as uuid)
        else uuid_v5($source || ':' || coalesce(nullif(natural_id, ''), document))
    end as event_id,
    f[2] as event_name,
    occurred_at,
    received_at,
    $source as source,
    f[5] as user_id,
    f[6] as anonymous_id,
    f[7] as session_id,
    f[8] as entity_type,
    f[9] as entity_id,
    f[10] as country,
    f[11] as region,
    f[12] as city,
    f[13] as device_type,
    f[14] as platform,
    f[15] as app_version,
    value,
    upper(f[17]) as currency,
    case
        when reason_code is not null then '{}'
        when f[18] is null then rest
        when rest = '{}' then f[18]
        else json_merge_patch(rest, f[18])
    end as properties
from judged
