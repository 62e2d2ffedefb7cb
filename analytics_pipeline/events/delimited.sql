-- Lines without quotes to JSON objects of text. Parameters: $keys, the header's names as JSON strings; $delimiter.
with cut as (
    select
        line_number,
        payload,
        problem,
        rtrim(text, chr(10) || chr(13)) as line,
        string_split(rtrim(text, chr(10) || chr(13)), $delimiter) as cells
    from lines
    where text is null or length(trim(text, chr(10) || chr(13))) > 0
)

select
    line_number,
    payload,
    case when len(cells) = len($keys) and not contains(line, chr(13)) then
        '{' || array_to_string(
            list_transform(
                list_filter(list_zip($keys, cells), lambda pair: pair[2] <> ''),
                lambda pair: pair[1] || ':' || to_json(pair[2])::varchar
            ), ','
        ) || '}'
    end as document,
    case
        when problem is not null then problem
        when len(cells) <> len($keys) or contains(line, chr(13)) then 'invalid_csv'
    end as problem
from cut
order by line_number
