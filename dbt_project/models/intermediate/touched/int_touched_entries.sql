{#- Entry days of persons whose attempts at a funnel this run walks again: back by the funnel's window from each touched day. #}
select
    f.funnel,
    k.person_key,
    case
        when f.conversion_window is null then '-infinity'::date
        else min(k.day) - (ceil(extract(epoch from f.conversion_window) / 86400)::integer + 1)
    end as first_day,
    max(k.day) as last_day
from {{ ref('int_touched_keys') }} as k
cross join {{ source('config', 'funnels') }} as f
group by f.funnel, f.conversion_window, k.person_key
