{{ config(contract={'enforced': true}) }}

select
    kpi_name,
    position,
    title,
    description,
    formula,
    unit,
    direction,
    owner,
    dimensions,
    target,
    warning,
    critical,
    headline,
    forecast,
    watch,
    definition_hash
from {{ source('config', 'kpis') }}
