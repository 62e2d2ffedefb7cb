"""Publishing: one transaction copies what a build touched from `build_*` to `marts` and `kpi`.

What is touched is what dbt replaced, by the same predicate; a full build is compared with what is published. Which checks
stand before it is not known here.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.modelling.builds import Build, current_build
from analytics_pipeline.modelling.recomputed import recomputed
from analytics_pipeline.warehouse.audit import record

_SAME_DAY = "t.day = r.day"
_DAYS = "select day from build_intermediate.int_touched_days where reason = '{}'"
_CHANGED_DAY = ("select day from build_intermediate.int_changed_days", _SAME_DAY)
_KEPT = "select {} as person_key, day, occurred_at, event_id from build_intermediate.int_kept_events"
_EVENT = "t.day = r.day and t.person_key = r.person_key and t.occurred_at = r.occurred_at and t.event_id = r.event_id"
_KEYS = "select distinct {} from build_intermediate.int_touched_keys"
_TOUCHED: dict[str, tuple[tuple[str, str], ...]] = {
    "identity": (("select anonymous_id from build_intermediate.int_touched_ids", "t.anonymous_id = r.anonymous_id"),),
    "event": (_CHANGED_DAY, (_KEPT.format("person_key"), _EVENT), (_KEPT.format("new_person_key"), _EVENT)),
    "changed_day": (_CHANGED_DAY,),
    "session": ((_KEYS.format("person_key, session_key"), "t.person_key = r.person_key and t.session_key = r.session_key"),),
    "person": ((_KEYS.format("person_key"), "t.person_key = r.person_key"),),
    "person_dimension": (
        (_DAYS.format("events"), _SAME_DAY),
        (_KEYS.format("person_key, day"), "t.person_key = r.person_key and t.day = r.day"),
    ),
    "events": ((_DAYS.format("events"), _SAME_DAY),),
    "persons": ((_DAYS.format("persons"), _SAME_DAY),),
    "sessions": ((_DAYS.format("sessions"), _SAME_DAY),),
    "flow": (
        (
            "select distinct day from build_intermediate.int_touched_days where reason in ('persons', 'sessions')",
            _SAME_DAY,
        ),
    ),
    "window": ((_DAYS.format("window"), _SAME_DAY),),
    "lifecycle": (
        (
            "select grain, period_start from build_intermediate.int_touched_lifecycle",
            "t.grain = r.grain and t.period_start = r.period_start",
        ),
    ),
    "period": (
        (
            "select grain, period_date from build_intermediate.int_touched_periods",
            "t.grain = r.grain and t.period_date = r.period_date",
        ),
    ),
    "entry_day": (
        (
            "select funnel, entry_day from build_intermediate.int_touched_entry_days",
            "t.funnel = r.funnel and t.entry_day = r.entry_day",
        ),
    ),
    "attempt": (
        (
            "select funnel, person_key, first_day, last_day from build_intermediate.int_touched_entries",
            "t.funnel = r.funnel and t.person_key = r.person_key and t.entry_day between r.first_day and r.last_day",
        ),
    ),
    "credit": (
        (
            "select conversion, person_key, first_day, last_day from build_intermediate.int_touched_credits",
            "t.conversion = r.conversion and t.person_key = r.person_key and t.day between r.first_day and r.last_day",
        ),
    ),
}


@dataclass(frozen=True)
class PublishedTable:
    """A table that readers see.

    Attributes:
        schema: marts or kpi; the build's twin is in `build_` and this.
        name: of the table.
        touched: which rows an incremental build replaces: a kind above; "all" for a table that is made anew.
    """

    schema: str
    name: str
    touched: str


TABLES = (
    PublishedTable("marts", "dim_identities", "identity"),
    PublishedTable("marts", "dim_persons", "person"),
    PublishedTable("marts", "dim_dimension_values", "all"),
    PublishedTable("marts", "dim_segments", "all"),
    PublishedTable("marts", "fct_events", "event"),
    PublishedTable("marts", "fct_sessions", "session"),
    PublishedTable("marts", "fct_person_days", "person_dimension"),
    PublishedTable("marts", "fct_active_users", "window"),
    PublishedTable("marts", "fct_lifecycle", "lifecycle"),
    PublishedTable("marts", "fct_stickiness", "lifecycle"),
    PublishedTable("marts", "fct_geography", "persons"),
    PublishedTable("marts", "fct_excluded_traffic", "changed_day"),
    PublishedTable("marts", "fct_funnel_attempts", "attempt"),
    PublishedTable("marts", "fct_funnel", "entry_day"),
    PublishedTable("marts", "fct_retention", "all"),
    PublishedTable("marts", "fct_transitions", "flow"),
    PublishedTable("marts", "fct_conversions", "credit"),
    PublishedTable("marts", "fct_revenue", "events"),
    PublishedTable("marts", "fct_unconverted_revenue", "events"),
    PublishedTable("kpi", "kpi_definitions", "all"),
    PublishedTable("kpi", "kpi_values", "period"),
    PublishedTable("kpi", "kpi_status", "period"),
)


def touched_query(build: Build, relation: str) -> str | None:
    """A query for the rows of a build table that publishing the build copies; None where it copies the whole table.

    Args:
        build: that is running.
        relation: schema and name of the build table, such as build_marts.fct_events.
    """
    table = next((t for t in TABLES if f"build_{t.schema}.{t.name}" == relation), None)
    if table is None or build.is_full or table.touched == "all" or table.name in build.rebuilt:
        return None
    rows = sql.Identifier(f"build_{table.schema}", table.name)
    statement = sql.SQL("select t.* from {} as t where t.ctid = any(array({}))")
    return statement.format(rows, _touched_places(rows, table.touched)).as_string(None)


def touched_rows(connection: psycopg.Connection, relation: str) -> str | None:
    """The same of the build that is running."""
    return touched_query(current_build(connection), relation)


def publish_build(connection: psycopg.Connection, build: Build) -> dict[str, int]:
    """Publish a build, all tables or none, and mark its changes as consumed.

    Returns:
        Rows written per table, by "schema.table".

    Raises:
        AnalyticsError: another run has taken the build's place.
    """
    rows: dict[str, int] = {}
    with connection.transaction():
        # Touched rows are few and found by index.
        connection.execute("set local random_page_cost = 1.1; set local jit = off")
        query = """
        select b.plan_hash = p.plan_hash from ops.builds as b cross join config.plan as p
        where b.build_id = %s and b.status = 'building' for update of b
        """
        row = connection.execute(query, (build.build_id,)).fetchone()
        if row is None:
            raise AnalyticsError(f"build {build.build_id} was abandoned for a later one: run again to see the newest events")
        if not row[0]:
            raise AnalyticsError("another tracking plan was published during the run: run again to compute with it")
        reshaped = [table for table in TABLES if not _has_shape_of_build(connection, table)]
        for table in TABLES:
            is_whole = build.is_full or table.touched == "all" or table.name in build.rebuilt
            copy = _write_beside if table in reshaped else _keep_up if is_whole else _replace
            rows[f"{table.schema}.{table.name}"] = copy(connection, table)
        for table in reshaped:
            _exchange(connection, table)
        connection.execute(
            """
            update ops.changes set consumed_by = %(id)s
            where change_id in (select change_id from ops.build_changes where build_id = %(id)s)
            """,
            {"id": build.build_id},
        )
        connection.execute("delete from ops.build_changes where build_id <> %s", (build.build_id,))
        connection.execute(
            """
            update ops.builds set status = 'published', finished_at = clock_timestamp(), row_counts = %s
            where build_id = %s
            """,
            (Jsonb(rows), build.build_id),
        )
        record(connection, "publish build", str(build.build_id), recomputed(connection, build, rows))
    return rows


def _replace(connection: psycopg.Connection, table: PublishedTable) -> int:
    target, build = sql.Identifier(table.schema, table.name), sql.Identifier(f"build_{table.schema}", table.name)
    delete = sql.SQL("delete from {} as d where d.ctid = any(array({}))")
    connection.execute(delete.format(target, _touched_places(target, table.touched)))
    statement = sql.SQL("insert into {} select t.* from {} as t where t.ctid = any(array({}))")
    return connection.execute(statement.format(target, build, _touched_places(build, table.touched))).rowcount


def _touched_places(relation: sql.Identifier, touched: str) -> sql.Composed:
    """Where the touched rows of a relation lie: key by key through an index, whatever the planner thinks of their number."""
    places = "select p.place from ({}) as r cross join lateral (select t.ctid as place from {{}} as t where {} offset 0) as p"
    return sql.SQL(" union ").join(sql.SQL(places.format(*pair)).format(relation) for pair in _TOUCHED[touched])


def _keep_up(connection: psycopg.Connection, table: PublishedTable) -> int:
    """Make the published table equal to the build's by the rows in which they differ.

    Nobody waits, and whoever began to read before sees the old rows to the end: another table in its place would be empty to
    them, and would have to wait for them.
    """
    target, build = sql.Identifier(table.schema, table.name), sql.Identifier(f"build_{table.schema}", table.name)
    gone = sql.SQL("delete from {} as d where not exists (select from {} as b where b = d)")
    connection.execute(gone.format(target, build))
    new = sql.SQL("insert into {0} select b.* from {1} as b where not exists (select from {0} as d where d = b)")
    return connection.execute(new.format(target, build)).rowcount


def _has_shape_of_build(connection: psycopg.Connection, table: PublishedTable) -> bool:
    """The published table is there, with the build's columns and indexes."""
    row = connection.execute(
        """
        with shapes as (
            select to_regclass(relation) as oid, array(
                select array[a.attname, a.atttypid::regtype::text, a.atttypmod::text] from pg_attribute as a
                where a.attrelid = to_regclass(relation) and a.attnum > 0 and not a.attisdropped order by a.attnum
            ) as columns, array(
                select array[i.indkey::text, i.indisunique::text, pg_get_expr(i.indpred, i.indrelid)] from pg_index as i
                where i.indrelid = to_regclass(relation) order by i.indkey::text
            ) as indexes
            from unnest(%s::text[]) as relation
        )
        select count(*) = 2 and count(distinct columns) = 1 and count(distinct indexes) = 1 from shapes where oid is not null
        """,
        ([f"{table.schema}.{table.name}", f"build_{table.schema}.{table.name}"],),
    ).fetchone()
    return row == (True,)


def _write_beside(connection: psycopg.Connection, table: PublishedTable) -> int:
    """Write a table of the build's shape beside the published one."""
    fresh, build = _fresh(table), sql.Identifier(f"build_{table.schema}", table.name)
    connection.execute(sql.SQL("create table {} (like {} including all)").format(fresh, build))
    rows = connection.execute(sql.SQL("insert into {} select * from {}").format(fresh, build)).rowcount
    connection.execute(sql.SQL("analyze {}").format(fresh))
    return rows


def _exchange(connection: psycopg.Connection, table: PublishedTable) -> None:
    """Put the table of a new shape in the place of the old one: readers wait for the names only.

    Views of other people on the old table make the exchange impossible; then its rows are replaced in place.
    """
    target, fresh = sql.Identifier(table.schema, table.name), _fresh(table)
    grants = _grants(connection, table)
    try:
        with connection.transaction():
            connection.execute(sql.SQL("drop table if exists {}").format(target))
            connection.execute(sql.SQL("alter table {} rename to {}").format(fresh, sql.Identifier(table.name)))
    except psycopg.errors.DependentObjectsStillExist:
        connection.execute(sql.SQL("delete from {}").format(target))
        connection.execute(sql.SQL("insert into {} select * from {}").format(target, fresh))
        connection.execute(sql.SQL("drop table {}").format(fresh))
        return
    for grantee, privilege in grants:
        connection.execute(sql.SQL("grant {} on {} to {}").format(sql.SQL(privilege), target, sql.Identifier(grantee)))


def _fresh(table: PublishedTable) -> sql.Identifier:
    return sql.Identifier(table.schema, f"{table.name}__fresh")


def _grants(connection: psycopg.Connection, table: PublishedTable) -> list[tuple[str, str]]:
    return connection.execute(
        """
        select grantee, privilege_type from information_schema.role_table_grants
        where table_schema = %s and table_name = %s and grantee <> current_user and grantee <> 'PUBLIC'
        """,
        (table.schema, table.name),
    ).fetchall()
