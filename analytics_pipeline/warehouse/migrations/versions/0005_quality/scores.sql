-- Scores of data quality in the shape of a KPI: checks that passed of those that were made, the last time that each was made on a
-- local day. By table, by dimension of quality, by both ("table: dimension"), and in total.
create view kpi.quality_scores as
with latest as (
    select distinct on (day, q.gate, q.relation, q.check_name)
        day, q.relation, q.quality_dimension, q.engine, q.passed
    from ops.quality_results as q
    inner join ops.gate_runs as g on q.gate_run_id = g.gate_run_id
    cross join lateral (select (g.as_of at time zone p.timezone)::date as day from config.plan as p) as d
    order by day, q.gate, q.relation, q.check_name, q.checked_at desc
),

counted as (
    select
        day,
        grouping(relation, quality_dimension) as parts,
        relation,
        quality_dimension,
        count(*) filter (where passed) as numerator,
        count(*) as denominator
    from latest
    group by grouping sets ((day), (day, relation), (day, quality_dimension), (day, relation, quality_dimension))
)

select
    'data_quality' as kpi_name,
    'day' as grain,
    day as period_date,
    case parts when 3 then 'all' when 1 then 'table' when 2 then 'quality_dimension' else 'table_and_dimension' end as dimension,
    case parts
        when 3 then 'all' when 1 then relation when 2 then quality_dimension else relation || ': ' || quality_dimension
    end as dimension_value,
    numerator,
    denominator,
    round(numerator::numeric / denominator, 4) as value
from counted;

grant select on kpi.quality_scores to analytics_reader;
