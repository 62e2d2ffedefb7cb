-- depends_on: {{ ref('int_touched_session_days') }}
-- depends_on: {{ ref('int_touched_keys') }}
-- depends_on: {{ ref('int_changed_days') }}
-- depends_on: {{ ref('dim_dimension_values') }}
{#-
Local days whose numbers this run computes again, by reason: events (what was counted from the day's events), persons (what
counts persons), sessions (what counts sessions that begin on it), window (what looks back over it, and zeros that are due
or no longer due). A day with reason events has the reason persons too.
-#}
{% set moved %}
    {% if published_exists('dim_dimension_values') %}
        select
            dimension,
            raw_value
        from {{ ref('dim_dimension_values') }} as n
        full join marts.dim_dimension_values as p using (dimension, raw_value)
        where n.dimension_value is distinct from p.dimension_value
    {% else %}
        select null::text as dimension, null::text as raw_value where false
    {% endif %}
{% endset %}

with moved as (
    {{ moved }}
),

event_days as (
    select day from {{ ref('int_changed_days') }}
    union
    -- A value moved into or out of (other).
    select v.day from {{ ref('int_dimension_days') }} as v
    inner join moved using (dimension, raw_value)
),

person_days as (
    select day from event_days
    union
    select day from {{ ref('int_touched_keys') }}
),

session_days as (
    select day from {{ ref('int_touched_session_days') }}
    union
    select v.day from {{ ref('int_session_values') }} as v
    inner join moved using (dimension, raw_value)
),

-- A value's series got longer or shorter.
spans as (
    {% if published_exists('dim_dimension_values') %}
        (
            {{ dimension_span_days(ref('dim_dimension_values')) }}
            except
            {{ dimension_span_days('marts.dim_dimension_values') }}
        )
        union all
        (
            {{ dimension_span_days('marts.dim_dimension_values') }}
            except
            {{ dimension_span_days(ref('dim_dimension_values')) }}
        )
    {% else %}
        select null::text as dimension, null::text as dimension_value, null::date as day where false
    {% endif %}
)

select day, 'events' as reason from event_days
union
select day, 'persons' from person_days
union
select day, 'sessions' from session_days
union
select w.day, 'window'
from (
    select d.day + g.days as day from person_days as d cross join generate_series(0, 29) as g (days)
    union
    select s.day from spans as s
    union
    select s.day from session_days as s
) as w
where w.day <= {{ as_of_day() }} or w.day in (select p.day from person_days as p)
or w.day in (select s.day from session_days as s) or w.day in (select s.day from spans as s)
