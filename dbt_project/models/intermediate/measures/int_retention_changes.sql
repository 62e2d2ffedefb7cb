-- depends_on: {{ ref('int_touched_retention') }}
{{ config(post_hook='analyze {{ this }}') }}

{%- set periods, days, persons = ref('int_retention_periods'), ref('int_retention_days'), ref('dim_persons') %}

with counts as (
    {{ retention_counts_of_touched(periods, days, persons) }}
    union all
    select
        retention,
        cohort_start,
        dimension,
        raw_value,
        period,
        -persons,
        -last_persons
    from {{ ref('int_retention_known') }}
)

{{ summed_retention_counts('counts') }}
