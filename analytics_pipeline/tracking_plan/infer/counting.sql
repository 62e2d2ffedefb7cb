-- Prepares the table `events` for counting: who did each event, and a number for each. Persons are those of the identity rule:
-- a visitor who was a user once is that user.
create temp table links as
select anonymous_id, max(user_id) as user_id from events
where anonymous_id is not null and user_id is not null
group by anonymous_id;

create temp table counted as
select
    row_number() over () as number,
    e.*,
    coalesce(e.user_id, l.user_id, e.anonymous_id) as person
from events as e left join links as l on e.anonymous_id = l.anonymous_id;

create macro is_email(text) as regexp_matches(text, '^[\w.+-]+@[\w-]+(\.[\w-]+)+$');
create macro holds_email(text) as regexp_matches(text, '[\w.+-]+@[\w-]+\.[\w-]+');
create macro is_phone(text) as regexp_matches(text, '^\+\d[\d ()/-]{7,}$');
create macro is_ip(text) as regexp_matches(text, '^\d{1,3}(\.\d{1,3}){3}$');
create macro is_time(text) as regexp_matches(text, '^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?$');
create macro is_number(text) as regexp_matches(text, '^-?\d+(\.\d+)?$');
create macro is_sentence(text) as length(text) - length(replace(text, ' ', '')) >= 2;
