{{ incremental_by('events', indexes=[{'columns': ['day']}]) }}

{#-
What distinct counts and percentiles are made of, so that they are right for any period: each distinct item or number with
how often it came, or, for percentiles over sums, each item with its sum.
-#}
{%- set buckets = ref('dim_dimension_values') %}

with events as (
    {{ touched_rows(ref('int_events'), 'events') }}
)

{% for m in plan_measures('items') %}
    {%- set is_number = m['percentile'] is not none and not m['is_per_item'] %}
    select
        e.day,
        b.dimension,
        b.dimension_value,
        '{{ m['measure'] }}' as measure,
        {{ 'null::text' if is_number else '(' ~ m['item_sql'] ~ ')::text' }} as item,
        {{ '(' ~ m['item_sql'] ~ ')::numeric' if is_number else 'null::numeric' }} as number,
        {{ 'sum(' ~ m['amount_sql'] ~ ')' if m['is_per_item'] else 'count(*)::numeric' }} as amount
    from events as e
    cross join lateral {{ event_dimensions(used_dimensions([m])) }}
    inner join {{ buckets }} as b on d.dimension = b.dimension and d.raw_value = b.raw_value
    where ({{ m['condition_sql'] }}) and ({{ m['item_sql'] }}) is not null
    {{- ' and (' ~ m['amount_sql'] ~ ') is not null' if m['is_per_item'] }}
    group by 1, 2, 3, 5, 6
    union all
{% endfor %}
select
    day,
    'all' as dimension,
    'all' as dimension_value,
    null::text as measure,
    null::text as item,
    null::numeric as number,
    null::numeric as amount
from events
where false
