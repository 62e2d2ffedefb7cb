select
    d.dimension,
    d.raw_value,
    min(s.day) as first_day
from {{ ref('fct_sessions') }} as s
cross join lateral {{ kept_dimensions('s.dimensions') }}
group by d.dimension, d.raw_value
