{{ incremental_by('identity', indexes=[{'columns': ['anonymous_id'], 'unique': true}, {'columns': ['linked_on']}]) }}

{%- set mode = plan_row()['identity_mode'] %}

select distinct on (anonymous_id)
    anonymous_id,
    user_id,
    linked_at,
    day as linked_on
from ({{ touched_rows(ref('int_links'), 'identity') }}) as l
order by
    anonymous_id asc,
    linked_at {{ 'asc' if mode == 'first_known' else 'desc' }},
    event_id {{ 'asc' if mode == 'first_known' else 'desc' }}
