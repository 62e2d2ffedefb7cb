{{ incremental_by('entry_day', indexes=[{'columns': ['funnel', 'entry_day']}]) }}


with attempts as (
    select
        a.*,
        b.dimension,
        b.dimension_value
    from ({{ touched_rows(ref('fct_funnel_attempts'), 'entry_day') }}) as a
    cross join lateral {{ kept_dimensions('a.dimensions', absent='') }}
    inner join (
        select dimension, raw_value, dimension_value from {{ ref('dim_dimension_values') }}
        where raw_value <> ''
        union
        select c.dimension, '', '' from {{ source('config', 'dimensions') }} as c
    ) as b on d.dimension = b.dimension and d.raw_value = b.raw_value
),

reached as (
    select
        s.funnel,
        a.entry_day,
        a.dimension,
        a.dimension_value,
        s.step,
        count(*) filter (where a.depth >= s.step) as persons,
        count(*) as entered,
        count(*) filter (where a.depth >= s.step - 1) as before,
        avg(extract(epoch from a.step_times[s.step] - a.step_times[s.step - 1])) as average_seconds,
        percentile_cont(0.5) within group (
            order by extract(epoch from a.step_times[s.step] - a.step_times[s.step - 1])
        ) as median_seconds
    from attempts as a
    inner join {{ source('config', 'funnel_steps') }} as s on a.funnel = s.funnel
    group by s.funnel, a.entry_day, a.dimension, a.dimension_value, s.step
)

select
    r.funnel,
    r.entry_day,
    r.dimension,
    r.dimension_value,
    r.step,
    r.persons,
    r.persons::numeric / nullif(r.entered, 0) as conversion,
    case when r.step > 1 then r.persons::numeric / nullif(r.before, 0) end as step_conversion,
    r.average_seconds,
    r.median_seconds::numeric as median_seconds,
    f.conversion_window is null
    or {{ day_start('r.entry_day + 1') }} + f.conversion_window > {{ as_of() }} as is_partial,
    f.definition_hash
from reached as r
inner join {{ source('config', 'funnels') }} as f on r.funnel = f.funnel
