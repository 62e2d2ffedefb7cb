-- depends_on: {{ ref('int_retention_changes') }}
{{ incremental_by('retention_cell', indexes=[{'columns': ['retention', 'cohort_start', 'period']}]) }}

{%- set periods, days, persons = ref('int_retention_periods'), ref('int_retention_days'), ref('dim_persons') %}

{% if is_whole() %}
    {{ retention_counts('select * from ' ~ periods, 'select * from ' ~ days, 'select * from ' ~ persons) }}
{% else %}
    with counts as (
        {{ touched_rows('build_intermediate.int_retention_counts', 'retention_cell') }}
        union all
        select * from {{ ref('int_retention_changes') }}
    )

    {{ summed_retention_counts('counts') }}
{% endif %}
