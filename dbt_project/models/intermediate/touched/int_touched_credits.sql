{#- Days of persons whose conversions this run credits again: forward by the window from each touched day. #}
select
    c.conversion,
    k.person_key,
    min(k.day) as first_day,
    case
        when c.conversion_window is null then 'infinity'::date
        else max(k.day) + (ceil(extract(epoch from c.conversion_window) / 86400)::integer + 1)
    end as last_day
from {{ ref('int_touched_keys') }} as k
cross join {{ source('config', 'conversions') }} as c
group by c.conversion, c.conversion_window, k.person_key
