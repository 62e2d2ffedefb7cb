-- At most one in a thousand revenue events lacks a rate for its currency: those count in no sum.
select
    sum(unconverted) as unconverted,
    sum(payments + refunds) as revenue_events
from {{ ref('fct_revenue') }}
having sum(unconverted) > 0.001 * sum(payments + refunds)
