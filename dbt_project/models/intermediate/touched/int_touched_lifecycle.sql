-- depends_on: {{ ref('int_touched_days') }}
-- depends_on: {{ ref('int_touched_keys') }}
-- Periods whose states of persons may have changed: touched ones, those that follow, and those of moved first days.
{%- set has_before = published_exists('dim_persons') %}
with firsts as (
    select
        n.person_key,
        n.first_active_day as after
    from {{ ref('dim_persons') }} as n
    where n.person_key in (select k.person_key from {{ ref('int_touched_keys') }} as k)
),

known as (
    select
        person_key,
        first_active_day as before
    from {{ 'marts.dim_persons' if has_before else ref('dim_persons') }}
    where {{ 'true' if has_before else 'false' }} and person_key in (select k.person_key from {{ ref('int_touched_keys') }} as k)
),

days as (
    select day from {{ ref('int_touched_days') }}
    where reason = 'persons'
    union
    select unnest(array[p.before, f.after])
    from firsts as f
    full join known as p on f.person_key = p.person_key
    where p.before is distinct from f.after
),

-- History begins earlier or later than before, or at all.
beginnings as (
    select g.at::date as day
    from (
        select min(first_active_day)::timestamp as after from {{ ref('dim_persons') }}
    ) as n
    cross join (
        {% if has_before %}
            select min(first_active_day)::timestamp as before from marts.dim_persons
        {% else %}
            select null::timestamp as before
        {% endif %}
    ) as p
    cross join lateral generate_series(
        least(n.after, p.before),
        greatest(coalesce(n.after, {{ as_of_day() }}), coalesce(p.before, {{ as_of_day() }})),
        interval '1 day'
    ) as g (at)
    where n.after is distinct from p.before
),

periods as (
    {{ calendar_periods('select day from days where day is not null union select day from beginnings', ['day', 'week', 'month']) }}
)

select grain, period_start from periods
union
select grain, next_start from periods
