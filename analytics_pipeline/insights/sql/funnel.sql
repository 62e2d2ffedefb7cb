with events as materialized (
    {events}
),
funnel_events as (
    select
        person_key, day, occurred_at, event_id, ({value})::text as value,
        ({steps})::integer as steps, ({excluded})::integer as excluded
    from events
    where person_key is not null
),
walks as (
    select
        person_key,
        array_agg(occurred_at order by {walk_order}) as times,
        array_agg(steps order by {walk_order}) as steps,
        array_agg(excluded order by {walk_order}) as excluded,
        array_agg(day order by {walk_order}) as days,
        array_agg(event_id order by {walk_order}) as event_ids,
        array_agg(value order by {walk_order}) as values
    from funnel_events
    group by person_key
    having bool_or({opens})
),
attempts as (
    select
        w.person_key,
        a.entry_day,
        a.reached_at[1] as entered_at,
        w.event_ids[a.reached[1]] as opening,
        cardinality(a.reached) as depth,
        a.reached_at as times,
        (select array_agg(w.values[p.at] order by p.step) from unnest(a.reached) with ordinality as p (at, step)) as values
    from walks as w
    cross join lateral ops.funnel_attempts(
        w.times, w.days, w.steps, w.excluded, %(step_count)s, %(step_order)s, %(window)s, %(exclude_from)s, %(exclude_to)s
    ) as a
    where a.entry_day between %(first_day)s and %(last_day)s
),
of_range as (
    select distinct on (person_key) * from attempts
    order by person_key, depth desc, entered_at, opening
),
scored as (
    select 'range' as scope, null::date as entry_day, null::text as value, person_key, depth, times from of_range
    union all
    select 'day', entry_day, null, person_key, depth, times from attempts
    union all
    select
        'value', null,
        coalesce(
            case %(breakdown_value)s
                when 'first' then (array_remove(values, null))[1]
                when 'last' then (array_remove(values, null))[cardinality(array_remove(values, null))]
                else values[%(breakdown_step)s]
            end, ''
        ),
        person_key, depth, times
    from of_range
    where %(is_divided)s
)
select
    s.scope, s.entry_day, s.value, k.step::integer as step,
    count(*) filter (where s.depth >= k.step) as persons,
    count(*) as entered,
    count(*) filter (where s.depth >= k.step - 1) as before,
    avg(extract(epoch from s.times[k.step] - s.times[k.step - 1])) as average_seconds,
    percentile_cont(0.5) within group (order by extract(epoch from s.times[k.step] - s.times[k.step - 1])) as median_seconds,
    array_agg(s.person_key order by s.person_key collate "C") filter (where s.depth >= k.step and s.scope = 'range' and %(list_persons)s)
        as reached
from scored as s
cross join generate_series(1, %(step_count)s) as k (step)
group by s.scope, s.entry_day, s.value, k.step
order by s.scope, s.entry_day, s.value collate "C", k.step
