-- The rows of the view `watched` as lines of COPY's text format, beside what deduplication, ledger and contracts need.
select
    line_number,
    reason_code,
    offending,
    event_id,
    occurred_at,
    case when reason_code is null then
        concat_ws(
            chr(9), event_id::varchar, copy_text(event_name, has_specials), occurred_at::varchar, received_at::varchar,
            copy_text(source, has_specials), copy_text(user_id, has_specials), copy_text(anonymous_id, has_specials),
            copy_text(session_id, has_specials), copy_text(entity_type, has_specials), copy_text(entity_id, has_specials),
            copy_text(country, has_specials), copy_text(region, has_specials), copy_text(city, has_specials),
            copy_text(device_type, has_specials), copy_text(platform, has_specials), copy_text(app_version, has_specials),
            coalesce(value::varchar, '\N'), copy_text(currency, has_specials), copy_text(properties::varchar, has_specials), batch_id
        ) || chr(10)
    end as copy_line,
    user_id,
    anonymous_id,
    columns('^watched_')
from watched
