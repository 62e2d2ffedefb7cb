"""What a gate judges, as temporary tables of one connection: the touched rows of each table, and what raw says of their days.

`judged_TABLE` has the rows under judgement of a suite's table. Behind the build gate there are besides:

- judged_days(day, starts_at, ends_at, has_departed): local days that the build has read anew; has_departed where raw events
  of the day have left the warehouse on purpose.
- judged_raw(day, event_name, currency, is_excluded, is_revenue, is_refund, events, valued, value, amount, unconverted): raw
  events that the build may see, straight from raw.events and with rates of their own.
- judged_persons(day, persons): distinct persons with activity, likewise.
- judged_links(anonymous_id, first_at, last_at): links between a visitor and a user on those days, likewise.
"""

from collections.abc import Callable, Iterable

import psycopg
from psycopg import sql

RowsOf = Callable[[str], str | None]
"""From a table (schema and name) to a query for its rows under judgement; None stands for all of them."""

_SETTINGS = "set jit = off; set work_mem = '64MB'; set random_page_cost = 1.1"
_IS_WHOLE = "select is_full or cardinality(rebuilt) > 0 from ops.current_build"
_ALL_DAYS = sql.SQL("""
    select distinct (e.occurred_at at time zone p.timezone)::date as day
    from raw.events as e cross join config.plan as p
    where e.occurred_at <= (select b.as_of from ops.current_build as b)
    union
    select distinct f.day from build_marts.fct_events as f
""")
_CHANGED_DAYS = sql.SQL("""
    select d.day from build_intermediate.int_changed_days as d
    where d.starts_at <= (select b.as_of from ops.current_build as b)
""")
_DAYS = sql.SQL("""
create temporary table judged_days as
select
    d.day,
    ops.day_start(d.day, p.timezone) as starts_at,
    ops.day_start(d.day + 1, p.timezone) as ends_at,
    exists (select from ops.horizons as h where ops.day_start(d.day, p.timezone) < h.before) as has_departed
from ({days}) as d cross join config.plan as p
""")
_RATES = sql.SQL("""
create temporary table judged_rates as
select d.day, c.currency, r.rate
from judged_days as d
cross join (select distinct currency from config.rates) as c
cross join lateral (
    select rate from config.rates as r
    where r.currency = c.currency and r.valid_from <= d.day
    order by r.valid_from desc
    limit 1
) as r
""")
# Day by day, so that no other partition is opened.
_EVENTS = sql.SQL("""
select d.day, e.*, coalesce(not ({counts}), false) as is_excluded
from judged_days as d
cross join lateral (
    select r.* from raw.events as r
    where
        r.occurred_at >= d.starts_at and r.occurred_at < d.ends_at
        and r.occurred_at <= (select b.as_of from ops.current_build as b)
        and r.batch_id not in (select h.batch_id from ops.hidden_batches as h)
        and not exists (
            select from ops.horizons as h where h.event_name in ('', r.event_name) and r.occurred_at < h.before
        )
    offset 0
) as e
""")
_RAW = sql.SQL("""
create temporary table judged_raw as
with events as ({events}),
amounts as (
    select
        e.day, e.event_name, coalesce(e.currency, p.currency) as currency, e.is_excluded, e.value,
        coalesce(({revenue}), false) as is_revenue,
        coalesce(({refund}), false) as is_refund,
        case when coalesce(e.currency, p.currency) = p.currency then e.value else e.value * r.rate end as amount
    from events as e
    cross join (select currency from config.plan) as p
    left join judged_rates as r on e.day = r.day and e.currency = r.currency
)
select
    day, event_name, currency, is_excluded, is_revenue, is_refund,
    count(*) as events,
    count(value) as valued,
    coalesce(sum(value), 0) as value,
    coalesce(sum(amount), 0) as amount,
    count(*) filter (where value is not null and amount is null) as unconverted
from amounts
group by day, event_name, currency, is_excluded, is_revenue, is_refund
""")
_PERSONS = sql.SQL("""
create temporary table judged_persons as
select day, count(*) as persons
from (
    select distinct e.day, coalesce('u:' || e.user_id, i.person_key, 'a:' || e.anonymous_id) as person_key
    from ({events}) as e
    left join config.events as c on e.event_name = c.event_name
    left join build_marts.dim_identities as i on e.user_id is null and e.anonymous_id = i.anonymous_id
    where not e.is_excluded and coalesce(c.is_activity, true)
) as p
where person_key is not null
group by day
""")
_LINKS = sql.SQL("""
create temporary table judged_links as
select anonymous_id, min(occurred_at) as first_at, max(occurred_at) as last_at
from ({events}) as e
where user_id is not null and anonymous_id is not null and not is_excluded
group by anonymous_id
""")


def judged_table(relation: str) -> str:
    """Name of the temporary table with the rows under judgement."""
    return "judged_" + relation.partition(".")[2]


def prepare(connection: psycopg.Connection, relations: Iterable[str], rows_of: RowsOf | None, *, with_days: bool) -> None:
    """Make the temporary tables. A table that is not there gets none.

    Args:
        connection: autocommit; the tables are there for it alone.
        relations: tables of the suites.
        rows_of: which of their rows are under judgement; without it all are.
        with_days: also what raw says of the days of the current build.
    """
    connection.execute(_SETTINGS)
    for relation in relations:
        if connection.execute("select to_regclass(%s)", (relation,)).fetchone() == (None,):
            continue
        name, table = sql.Identifier(judged_table(relation)), sql.Identifier(*relation.split("."))
        rows = rows_of(relation) if rows_of else None
        if rows is None:
            connection.execute(sql.SQL("create temporary view {} as select * from {}").format(name, table))
        else:
            connection.execute(sql.SQL("create temporary table {} as {}").format(name, sql.SQL(rows)))
            connection.execute(sql.SQL("analyze {}").format(name))
    if with_days:
        _prepare_days(connection)


def _prepare_days(connection: psycopg.Connection) -> None:
    plan = connection.execute("select revenue_sql, refund_sql from config.plan").fetchone()
    rules = connection.execute("select condition_sql from config.excluded_traffic order by position").fetchall()
    if plan is None:
        return
    is_whole = connection.execute(_IS_WHOLE).fetchone() == (True,)
    counts = sql.SQL(" and ").join([sql.SQL("true"), *(sql.SQL("({}) is not true").format(sql.SQL(r[0])) for r in rules)])
    events = _EVENTS.format(counts=counts)
    revenue, refund = (sql.SQL(text) for text in plan)
    connection.execute(_DAYS.format(days=_ALL_DAYS if is_whole else _CHANGED_DAYS))
    connection.execute("analyze judged_days")
    connection.execute(_RATES)
    connection.execute(_RAW.format(events=events, revenue=revenue, refund=refund))
    connection.execute(_PERSONS.format(events=events))
    connection.execute(_LINKS.format(events=events))
    for name in ("judged_rates", "judged_raw", "judged_persons", "judged_links"):
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier(name)))


def discard(connection: psycopg.Connection) -> None:
    """Drop what `prepare` made. Another one's session can be the next to use the server's only backend."""
    connection.execute("discard temp")
