-- Documents that are one JSON object; the others get their problem.
select
    line_number,
    case when fault is null then document end as document,
    fault as problem
from (
    select
        line_number,
        document,
        case
            when problem is not null then problem
            when not is_object(document) then 'invalid_json'
        end as fault
    from records
)
