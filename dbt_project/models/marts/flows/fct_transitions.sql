{{ incremental_by('flow', indexes=[{'columns': ['flow', 'day']}]) }}

{#- By the local day on which the session begins; flows by person are cut where the day of the event changes. -#}
{%- set whole, sessions, events = is_whole(), ref('fct_sessions'), ref('int_events') %}

with
{% for f in plan_rows('flows', 'flow') %}
    {{ f['flow'] }}_nodes as (
        {% if f['sequence_by'] == 'session' %}
            {%- set nodes %}
                select n.*, coalesce(({{ f['node_sql'] }})::text, '(none)') as node from {{ events }} as n
                where ({{ f['condition_sql'] }})
            {%- endset %}
            select
                s.day as sequence_day,
                e.person_key || ' ' || e.session_key as sequence,
                e.person_key as walker,
                e.event_id as node_id,
                e.occurred_at as node_at,
                e.node
            from ({{ touched_rows(sessions, 'flow') }}) as s
            {% if whole %}
                inner join (
                    {{ nodes }}
                ) as e on s.person_key = e.person_key and s.session_key = e.session_key
            {% else %}
                cross join lateral (
                    {{ nodes }}
                    and n.person_key = s.person_key and n.session_key = s.session_key and n.occurred_at between s.started_at and s.ended_at
                    offset 0
                ) as e
            {% endif %}
        {% else %}
            select
                e.day as sequence_day,
                e.person_key as sequence,
                e.person_key as walker,
                e.event_id as node_id,
                e.occurred_at as node_at,
                coalesce(({{ f['node_sql'] }})::text, '(none)') as node
            from ({{ touched_rows(events, 'flow') }}) as e
            where e.person_key is not null and ({{ f['condition_sql'] }})
        {% endif %}
    ),

    {{ f['flow'] }}_steps as (
        select
            sequence_day,
            walker,
            node,
            lag(node) over w as before,
            lead(node_id) over w is null as is_last,
            extract(epoch from node_at - lag(node_at) over w) as seconds
        from {{ f['flow'] }}_nodes
        window w as (partition by sequence_day, sequence order by node_at, node_id)
    ),
{% endfor %}

transitions as (
    {% for f in plan_rows('flows', 'flow') %}
        select
            '{{ f['flow'] }}' as flow,
            sequence_day,
            walker,
            coalesce(before, 'path_start') as source,
            node as target,
            seconds
        from {{ f['flow'] }}_steps
        union all
        select '{{ f['flow'] }}', sequence_day, walker, node, 'path_end', null from {{ f['flow'] }}_steps
        where is_last
        union all
    {% endfor %}
    select
        null::text as flow,
        null::date as sequence_day,
        null::text as walker,
        null::text as source,
        null::text as target,
        null::numeric as seconds
    from {{ sessions }}
    where false
)

select
    flow,
    sequence_day as day,
    source,
    target,
    count(*) as transitions,
    count(distinct walker) as persons,
    avg(seconds)::numeric as mean_seconds
from transitions
group by flow, sequence_day, source, target
