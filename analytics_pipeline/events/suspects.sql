-- Records that the engine's lenient JSON reader may take although they are not JSON, or that PostgreSQL can't store.
select line_number
from records
where
    problem is null
    and (
        (
            (
                contains(document, 'nan') or contains(document, 'NaN') or contains(document, 'NAN')
                or contains(document, 'inf') or contains(document, 'Inf') or contains(document, 'INF')
            )
            and regexp_matches(document, '(?i)[:\[,]\s*[-+]?(nan|inf)')
        )
        or contains(document, '\u0000')
        or contains(document, ',}')
        or contains(document, ',]')
        or contains(document, ', }')
        or contains(document, ', ]')
        or (
            strlen(document) > 2000
            and length(document) - length(replace(replace(document, '{', ''), '[', '')) >= 1000
        )
    )
