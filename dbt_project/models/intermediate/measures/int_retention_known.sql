-- depends_on: {{ ref('int_touched_retention') }}
{#- What the touched persons added to the cells of retention before this run: the tables are read by name, as the last build left them. #}
{% if is_whole_build() %}
    {{ no_retention_counts() }}
{% else %}
    {{ retention_counts_of_touched(
        'build_intermediate.int_retention_periods', 'build_intermediate.int_retention_days', 'build_marts.dim_persons'
    ) }}
{% endif %}
