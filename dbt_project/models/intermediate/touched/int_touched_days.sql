-- depends_on: {{ ref('int_dimension_days') }}
-- depends_on: {{ ref('dim_dimension_values') }}
-- depends_on: {{ ref('fct_sessions') }}
-- depends_on: {{ ref('int_touched_persons') }}
{#- Days whose numbers this run computes again. is_window marks those that only windows reaching back (WAU, MAU) touch. #}
with base as (
    select day from {{ ref('int_touched_base_days') }}
    {% if published_exists('dim_dimension_values') %}
        union
        -- A value moved into or out of (other).
        select dd.day - g.days
        from {{ ref('int_dimension_days') }} as dd
        inner join (
            select
                dimension,
                raw_value
            from {{ ref('dim_dimension_values') }} as n
            full join marts.dim_dimension_values as p using (dimension, raw_value)
            where n.dimension_value is distinct from p.dimension_value
        ) as moved on dd.dimension = moved.dimension and dd.raw_value = moved.raw_value
        cross join generate_series(0, (
            select ceil(extract(epoch from t.max_session) / 86400)::int + 1 from {{ source('config', 'plan') }} as t
        )) as g (days)
    {% endif %}
    {% if published_exists('fct_sessions') %}
        union
        -- A session of a touched person begins or ends to exist, or changes.
        select changed.day
        from (
            (
                select n.* from {{ ref('fct_sessions') }} as n where {{ touched('person', 'n.') }}
                except
                select p.* from marts.fct_sessions as p where {{ touched('person', 'p.') }}
            )
            union all
            (
                select p.* from marts.fct_sessions as p where {{ touched('person', 'p.') }}
                except
                select n.* from {{ ref('fct_sessions') }} as n where {{ touched('person', 'n.') }}
            )
        ) as changed
    {% endif %}
),

-- A value's series got longer or shorter, so that a zero is due or no longer due.
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
),

touched as (
    select day from base
    union
    select day from spans
),

windows as (
    select distinct t.day + g.days as day
    from touched as t
    cross join generate_series(0, 29) as g (days)
)

select
    w.day,
    t.day is null as is_window
from windows as w
left join touched as t on w.day = t.day
where w.day <= {{ as_of_day() }} or t.day is not null
