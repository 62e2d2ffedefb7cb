create or replace macro filled(text) as nullif(text, '');

create or replace macro trim_space(text) as trim(text, ' ' || chr(9) || chr(10) || chr(13));

create or replace macro is_object(text) as
case
    when text is null or not json_valid(text) then false
    when starts_with(text, '{') then true
    else json_type(text) = 'OBJECT'
end;

create or replace macro coalesce_text(texts) as list_filter(texts, lambda x: x is not null)[1];

-- An id that a group of columns gives needs all of them.
create or replace macro joined(texts) as
case when list_bool_and(list_transform(texts, lambda x: x is not null and x <> '')) then array_to_string(list_transform(texts, lambda x: replace(replace(x, '%', '%25'), '/', '%2F')), '/')
end;

create or replace macro lacks_zone(text, format, zone) as
format = 'iso' and zone is null and try_cast(replace(text, ':60', ':59') as timestamp) is not null
and not regexp_matches(text, '([Zz]|[+-]\d{2}(:?\d{2})?)$');

-- Seconds since 1970 in a zone's local time are read as that local time.
create or replace macro from_epoch(microseconds, zone) as
case
    when zone is null then make_timestamptz(microseconds)
    else timezone(zone, make_timestamp(microseconds))
end;

create or replace macro iso_moment(text, zone) as
case
    when ends_with(text, 'Z') and contains(text, ':') then try_cast(text as timestamptz)
    when regexp_matches(text, ':\d{2}(\.\d+)? ?([Zz]|[+-]\d{2}(:?\d{2})?)$') then try_cast(text as timestamptz)
    when zone is not null then timezone(zone, try_cast(text as timestamp))
end;

-- RFC 3339 allows second 60; it is the first instant of the next minute.
create or replace macro iso_time(text, zone) as
case
    when contains(text, ':60') and regexp_matches(text, ':\d{2}:60')
        then iso_moment(regexp_replace(text, ':60(\.\d+)?', ':59'), zone) + interval 1 second
    else iso_moment(text, zone)
end;

create or replace macro parse_time(text, format, zone) as
case
    when format = 'iso' then iso_time(text, zone)
    when format = 'epoch_s' then from_epoch(try_cast(try_cast(text as double) * 1000000 as bigint), zone)
    when format = 'epoch_ms' then from_epoch(try_cast(try_cast(text as double) * 1000 as bigint), zone)
    when format = 'epoch_us' then from_epoch(try_cast(text as bigint), zone)
    else timezone(zone, try_strptime(text, format))
end;

create or replace macro parse_number(text, unit) as
case
    when unit = 1 then try_cast(text as decimal(18, 4))
    else try_cast(try_cast(text as decimal(24, 6)) * unit::decimal(12, 8) as decimal(18, 4))
end;

-- RFC 9562 version 5 in the URL namespace.
create or replace macro uuid_v5_of(digest) as
(
    substr(digest, 1, 12) || '5' || substr(digest, 14, 3)
    || substr('89ab', 1 + (('0x' || substr(digest, 17, 1))::int & 3), 1) || substr(digest, 18, 15)
)::uuid;

create or replace macro uuid_v5(name) as
uuid_v5_of(sha1(unhex('6ba7b8119dad11d180b400c04fd430c8') || encode(name)));

-- Members of two objects in one; where both have a key, that of the second counts. A merge patch would drop nulls.
create or replace macro merged(one, other) as
case
    when one = '{}' then other
    when regexp_full_match(other, '\s*\{\s*\}\s*') then one
    else substr(one, 1, length(one) - 1) || ',' || regexp_replace(other, '^\s*\{', '')
end;

-- A document with some of its keys (a merge patch removes them) replaced by members that are written as `"key":value`.
create or replace macro json_with(document, removal, members) as
case
    when document is null or len(list_filter(members, lambda m: m is not null)) = 0 then document
    else merged(
        json_merge_patch(document, removal)::varchar,
        '{' || array_to_string(list_filter(members, lambda m: m is not null), ',') || '}'
    )
end;

create or replace macro member(key, value) as
case when value is not null then to_json(key)::varchar || ':' || value::varchar end;

create or replace macro json_of_text(value) as
case
    when json_type(value) = 'VARCHAR' and json_valid(value ->> '$') and json_type(value ->> '$') in ('OBJECT', 'ARRAY')
        then (value ->> '$')::json
    else value
end;

-- [{key: k, value: {int_value: 1, string_value: null}}] becomes {"k": 1}.
create or replace macro first_value(value) as
case json_type(value)
    when 'OBJECT' then
        coalesce(
            to_json(value ->> '$.string_value'),
            json_number(value ->> '$.int_value'),
            json_number(value ->> '$.float_value'),
            json_number(value ->> '$.double_value'),
            'null'::json
        )
    else value
end;

create or replace macro json_number(text) as
case when regexp_matches(text, '^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$') then text::json else to_json(text) end;

create or replace macro key_values_object(list) as
case
    when json_type(list) = 'ARRAY' then (
        '{' || array_to_string(
            list_transform(
                list_filter(json_extract(list, '$[*]'), lambda x: (x ->> '$.key') is not null),
                lambda x: to_json(x ->> '$.key')::varchar || ':' || first_value(x -> '$.value')::varchar
            ), ','
        ) || '}'
    )::json
    else list
end;

create or replace macro cast_json(text, type) as
case
    when type = 'number' then json_number(trim(text))
    when lower(trim(text)) in ('true', 't', 'yes', '1') then 'true'::json
    when lower(trim(text)) in ('false', 'f', 'no', '0') then 'false'::json
    else to_json(text)
end;

create or replace macro cast_properties(properties, casts) as
json_merge_patch(
    properties,
    (
        '{' || array_to_string(
            list_transform(
                list_filter(casts, lambda c: json_extract_string(properties, c.at) is not null),
                lambda c: to_json(c.key)::varchar || ':' || cast_json(json_extract_string(properties, c.at), c.type)::varchar
            ), ','
        ) || '}'
    )::json
);

-- One field of a row in the text format of COPY.
create or replace macro copy_text(text, has_specials) as
case
    when text is null then '\N'
    when not has_specials then text
    else replace(replace(replace(replace(text, '\', '\\'), chr(9), '\t'), chr(10), '\n'), chr(13), '\r')
end;

create or replace macro try_day(text) as try_cast(substr(text, 1, 10) as date);
