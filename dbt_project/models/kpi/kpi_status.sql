{{ incremental_by('period', indexes=[{'columns': ['period_date']}]) }}

with totals as (
    select
        v.*,
        d.target,
        d.warning,
        d.critical,
        d.direction
    from ({{ touched_rows(ref('kpi_values'), 'period') }}) as v
    inner join {{ ref('kpi_definitions') }} as d on v.kpi_name = d.kpi_name
    where v.dimension = 'all' and v.grain = 'day'
)

select
    kpi_name,
    grain,
    period_start,
    period_date,
    value,
    target,
    case
        when is_partial then 'partial'
        when value is null then 'no_data'
        when direction = 'up' and value < critical then 'critical'
        when direction = 'down' and value > critical then 'critical'
        when direction = 'up' and value < warning then 'warning'
        when direction = 'down' and value > warning then 'warning'
        when target is null then 'no_target'
        when direction = 'up' and value < target then 'below_target'
        when direction = 'down' and value > target then 'below_target'
        else 'on_target'
    end as status,
    definition_hash
from totals
