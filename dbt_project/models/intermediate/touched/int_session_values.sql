{{ incremental_by('session_value', indexes=[{'columns': ['day']}]) }}

-- A session shows its values on the day of its start, even where the event that brings them comes after midnight.
select distinct
    s.day,
    d.dimension,
    d.raw_value
from ({{ touched_rows(ref('fct_sessions'), 'session_value') }}) as s
cross join lateral {{ kept_dimensions('s.dimensions') }}
