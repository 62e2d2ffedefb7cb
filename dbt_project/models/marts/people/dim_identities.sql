{{ incremental_by('identity', indexes=[{'columns': ['anonymous_id']}]) }}

select
    anonymous_id,
    'u:' || user_id as person_key,
    linked_at
from ({{ touched_rows(ref('int_identity'), 'identity') }}) as i
