select
    d.dimension,
    d.raw_value,
    min(s.day) as first_day
from {{ ref('fct_sessions') }} as s
cross join lateral (
    values ('all', 'all')
    {%- for d in plan_dimensions() %},
    ('{{ d['dimension'] }}', coalesce(s.dimensions ->> '{{ d['dimension'] }}', '(none)'))
    {%- endfor %}
) as d (dimension, raw_value)
group by d.dimension, d.raw_value
