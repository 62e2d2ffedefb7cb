-- The events of the staging view and of the build are the same in number and value.
select *
from (select count(*) as events, coalesce(sum(value), 0) as value from {{ ref('stg_raw__events') }}) as staged
full join (select count(*) as events, coalesce(sum(value), 0) as value from {{ ref('int_events') }}) as built
    using (events, value)
where staged.events is null or built.events is null
