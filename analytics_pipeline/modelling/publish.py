"""Publishing: one transaction copies what a build touched from `build_*` to `marts` and `kpi`.

What is touched is what dbt replaced, by the same predicate; a full build swaps whole tables. Which checks stand before it
is not known here.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.modelling.builds import Build

_TOUCHED = {
    "identity": "'a:' || anonymous_id in (select raw_key from build_intermediate.int_touched_ids)",
    "person": "person_key in (select person_key from build_intermediate.int_touched_persons)",
    "day": "day in (select day from build_intermediate.int_touched_days where not is_window)",
    "window": "day in (select day from build_intermediate.int_touched_days)",
    "period": "period_date in (select day from build_intermediate.int_touched_days)",
    "all": "true",
}


@dataclass(frozen=True)
class PublishedTable:
    """A table that readers see.

    Attributes:
        schema: marts or kpi; the build's twin is in `build_` and this.
        name: of the table.
        touched: which rows an incremental build replaces: a key of the predicates above.
    """

    schema: str
    name: str
    touched: str


TABLES = (
    PublishedTable("marts", "dim_identities", "identity"),
    PublishedTable("marts", "dim_persons", "person"),
    PublishedTable("marts", "dim_dimension_values", "all"),
    PublishedTable("marts", "fct_sessions", "person"),
    PublishedTable("marts", "fct_person_days", "day"),
    PublishedTable("marts", "fct_active_users", "window"),
    PublishedTable("marts", "fct_funnel_attempts", "person"),
    PublishedTable("marts", "fct_funnel", "all"),
    PublishedTable("marts", "fct_retention", "all"),
    PublishedTable("kpi", "kpi_definitions", "all"),
    PublishedTable("kpi", "kpi_values", "period"),
    PublishedTable("kpi", "kpi_status", "period"),
)


def publish_build(connection: psycopg.Connection, build: Build) -> dict[str, int]:
    """Publish a build, all tables or none, and mark its changes as consumed.

    Returns:
        Rows written per table, by "schema.table".

    Raises:
        AnalyticsError: another run has taken the build's place.
    """
    rows: dict[str, int] = {}
    with connection.transaction():
        query = """
        select b.plan_hash = p.plan_hash from ops.builds as b cross join config.plan as p
        where b.build_id = %s and b.status = 'building' for update of b
        """
        row = connection.execute(query, (build.build_id,)).fetchone()
        if row is None:
            raise AnalyticsError(f"build {build.build_id} was abandoned for a later one: run again to see the newest events")
        if not row[0]:
            raise AnalyticsError("another tracking plan was published during the run: run again to compute with it")
        for table in TABLES:
            is_there = connection.execute("select to_regclass(%s)", (f"{table.schema}.{table.name}",)).fetchone()
            copy = _swap if build.is_full or is_there == (None,) else _replace
            rows[f"{table.schema}.{table.name}"] = copy(connection, table)
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
    return rows


def _replace(connection: psycopg.Connection, table: PublishedTable) -> int:
    names = {
        "target": sql.Identifier(table.schema, table.name),
        "build": sql.Identifier(f"build_{table.schema}", table.name),
        "touched": sql.SQL(_TOUCHED[table.touched]),
    }
    connection.execute(sql.SQL("delete from {target} where {touched}").format(**names))
    statement = sql.SQL("insert into {target} select * from {build} where {touched}")
    return connection.execute(statement.format(**names)).rowcount


def _swap(connection: psycopg.Connection, table: PublishedTable) -> int:
    """Write the new table beside the old, then exchange names: readers wait for the exchange only.

    Views of other people on the old table make the exchange impossible; then its rows are replaced in place.
    """
    target = sql.Identifier(table.schema, table.name)
    fresh = sql.Identifier(table.schema, f"{table.name}__fresh")
    build = sql.Identifier(f"build_{table.schema}", table.name)
    connection.execute(sql.SQL("create table {} (like {} including all)").format(fresh, build))
    rows = connection.execute(sql.SQL("insert into {} select * from {}").format(fresh, build)).rowcount
    grants = _grants(connection, table)
    try:
        with connection.transaction():
            connection.execute(sql.SQL("drop table if exists {}").format(target))
            connection.execute(sql.SQL("alter table {} rename to {}").format(fresh, sql.Identifier(table.name)))
    except psycopg.errors.DependentObjectsStillExist:
        connection.execute(sql.SQL("delete from {}").format(target))
        connection.execute(sql.SQL("insert into {} select * from {}").format(target, fresh))
        connection.execute(sql.SQL("drop table {}").format(fresh))
        return rows
    for grantee, privilege in grants:
        connection.execute(sql.SQL("grant {} on {} to {}").format(sql.SQL(privilege), target, sql.Identifier(grantee)))
    return rows


def _grants(connection: psycopg.Connection, table: PublishedTable) -> list[tuple[str, str]]:
    return connection.execute(
        """
        select grantee, privilege_type from information_schema.role_table_grants
        where table_schema = %s and table_name = %s and grantee <> current_user and grantee <> 'PUBLIC'
        """,
        (table.schema, table.name),
    ).fetchall()
