with money as (
    select
        e.day, e.amount, e.is_refund
    from (
        select *, ({refund}) as is_refund from ({events}) as e
    ) as e
)
select
    g.at::date as day,
    coalesce(sum(m.amount) filter (where not m.is_refund), 0) as gross,
    coalesce(sum(m.amount) filter (where m.is_refund), 0) as refunded,
    coalesce(sum(m.amount) filter (where not m.is_refund), 0) - coalesce(sum(m.amount) filter (where m.is_refund), 0) as net
from generate_series(%(first_day)s::timestamp, %(last_day)s::timestamp, interval '1 day') as g (at)
left join money as m on m.day = g.at::date
group by g.at
order by g.at
