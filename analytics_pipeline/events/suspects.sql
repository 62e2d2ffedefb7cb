-- Records that the engine's lenient JSON reader may take although they are not JSON, or that PostgreSQL can't store.
select line_number
from records
where
    problem is null
    and (
        contains(document, 'NaN')
        or contains(document, 'Infinity')
        or contains(document, '\u0000')
        or contains(document, ',}')
        or contains(document, ',]')
        or (
            strlen(document) > 2000
            and length(document) - length(replace(replace(document, '{', ''), '[', '')) >= 1000
        )
    )
