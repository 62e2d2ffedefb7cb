create or replace macro lacks_zone(text, format, zone) as
format = 'iso' and zone is null and try_cast(text as timestamp) is not null
and not regexp_matches(text, '([Zz]|[+-]\d{2}(:?\d{2})?)$');

create or replace macro parse_time(text, format, zone) as
case
    when format = 'epoch_s' then make_timestamptz(try_cast(try_cast(text as double) * 1000000 as bigint))
    when format = 'epoch_ms' then make_timestamptz(try_cast(try_cast(text as double) * 1000 as bigint))
    when format = 'epoch_us' then make_timestamptz(try_cast(text as bigint))
    when regexp_matches(text, ':\d{2}(\.\d+)? ?([Zz]|[+-]\d{2}(:?\d{2})?)$') then try_cast(text as timestamptz)
    when zone is not null then timezone(zone, try_cast(text as timestamp))
end;

-- RFC 9562 version 5 in the URL namespace.
create or replace macro uuid_v5_of(digest) as
(
    substr(digest, 1, 12) || '5' || substr(digest, 14, 3)
    || substr('89ab', 1 + (('0x' || substr(digest, 17, 1))::int & 3), 1) || substr(digest, 18, 15)
)::uuid;

create or replace macro uuid_v5(name) as
uuid_v5_of(sha1(unhex('6ba7b8119dad11d180b400c04fd430c8') || encode(name)));
