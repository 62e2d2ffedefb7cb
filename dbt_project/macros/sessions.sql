{#-
Gives the events of a relation their session. A tracker's session id opens (or joins) its own chain; without one, a gap opens
a new chain and anything else joins the previous event's. What lasts too long goes on as a new session from its first event
beyond the limit, again and again.
-#}
{% macro sessionized(relation) -%}
    gaps as (
        select
            person_key,
            event_id,
            occurred_at,
            session_id,
            lag(occurred_at) over (partition by person_key order by occurred_at, event_id) as previous_at
        from {{ relation }}
        where is_activity and person_key is not null
    ),

    openings as (
        select
            *,
            coalesce(
                session_id,
                case
                    when previous_at is null or occurred_at - previous_at > (select t.session_timeout from {{ source('config', 'plan') }} as t)
                        then event_id::text
                end
            ) as opening
        from gaps
    ),

    runs as (
        select
            *,
            count(opening) over (partition by person_key order by occurred_at, event_id) as run
        from openings
    ),

    chained as (
        select
            person_key,
            event_id,
            occurred_at,
            first_value(opening) over (partition by person_key, run order by occurred_at, event_id) as chain
        from runs
    ),

    chains as (
        select
            person_key,
            chain,
            min(occurred_at) as chain_start,
            max(occurred_at) as chain_end
        from chained
        group by person_key, chain
    ),

    long_chains as (
        select
            e.person_key,
            e.chain,
            e.occurred_at,
            c.chain_start,
            c.chain_end
        from chained as e
        inner join chains as c on e.person_key = c.person_key and e.chain = c.chain
        where c.chain_end > c.chain_start + (select t.max_session from {{ source('config', 'plan') }} as t)
    ),

    pieces as (
        with recursive piece as (
            select distinct
                person_key,
                chain,
                chain_start as piece_start,
                chain_end,
                1 as number
            from long_chains

            union all

            select
                p.person_key,
                p.chain,
                (
                    select min(e.occurred_at)
                    from long_chains as e
                    where
                        e.person_key = p.person_key
                        and e.chain = p.chain
                        and e.occurred_at > p.piece_start + (select t.max_session from {{ source('config', 'plan') }} as t)
                ),
                p.chain_end,
                p.number + 1
            from piece as p
            where p.chain_end > p.piece_start + (select t.max_session from {{ source('config', 'plan') }} as t)
        )

        select
            person_key,
            chain,
            piece_start,
            number,
            lead(piece_start) over (partition by person_key, chain order by number) as next_start
        from piece
    ),

    keyed as (
        select
            e.event_id,
            e.occurred_at,
            e.chain,
            e.chain || case when p.number > 1 then '#' || p.number else '' end as session_key
        from chained as e
        left join pieces as p
            on
                e.person_key = p.person_key
                and e.chain = p.chain
                and e.occurred_at >= p.piece_start
                and (p.next_start is null or e.occurred_at < p.next_start)
    ),

    sessionized as (
        select
            s.*,
            k.chain,
            k.session_key
        from {{ relation }} as s
        left join keyed as k on s.event_id = k.event_id and s.occurred_at = k.occurred_at
    )
{%- endmacro %}

{#- Staged events that count, each with its person and its kind. #}
{% macro identified_events(staged) -%}
    select
        e.*,
        coalesce('u:' || e.user_id, 'u:' || i.user_id, 'a:' || e.anonymous_id) as person_key,
        coalesce(c.is_activity, true) as is_activity,
        coalesce(c.is_page, false) as is_page
    from {{ staged }} as e
    left join {{ ref('int_identity') }} as i on e.user_id is null and e.anonymous_id = i.anonymous_id
    left join {{ source('config', 'events') }} as c on e.event_name = c.event_name
    where e.excluded_by is null
{%- endmacro %}

{#- Staged events of the changed days, or all of them, as a query. #}
{% macro staged_events_of_run() -%}
    {%- set staged, changed = ref('stg_raw__events'), ref('int_changed_events') -%}
    select * from {{ staged if is_whole() else changed }}
    {%- if is_whole() %} {{ departed_events() }}{% endif -%}
{%- endmacro %}

{#-
Events that have left raw behind a horizon, to be added to a query of staged ones. int_events keeps all that count; it is read
by name, as the last build left it.
-#}
{% macro departed_events(days=none) -%}
    {%- if has_departed() %}
        union all
        select
            {{ event_columns() }},
            null::text as excluded_by
        from build_intermediate.int_events as e
        where
            exists (
                select 1 from {{ source('ops', 'horizons') }} as h
                where h.event_name in ('', e.event_name) and e.occurred_at < h.before
            )
            {%- if days %} and e.day in (select d.day from {{ days }} as d){% endif %}
    {%- endif -%}
{%- endmacro %}

{% macro has_departed(kept_in='build_intermediate.int_events') -%}
    {%- set _ = source('ops', 'horizons') -%}
    {%- if not execute -%}{{ return(false) }}{%- endif -%}
    {{ return(run_query(
        "select exists (select from ops.horizons) and to_regclass('" ~ kept_in ~ "') is not null"
    ).rows[0][0]) }}
{%- endmacro %}

{#- The columns of a staged event. #}
{% macro event_columns() -%}
    event_id, event_name, occurred_at, received_at, day, source, user_id, anonymous_id, session_id, entity_type, entity_id,
    country, region, city, device_type, platform, app_version, value, amount, currency, properties, batch_id
{%- endmacro %}
