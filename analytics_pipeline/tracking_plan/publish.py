"""Makes a compiled plan the warehouse's: writes `config.*` and notes in the ledger what has to be computed again."""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics_pipeline.errors import PlanError
from analytics_pipeline.tracking_plan.compile import CompiledPlan, Row

_EMPTY = {
    "events": "select *, true as is_activity, '' as person_key from raw.events where false",
    "sessions": """
        select 0::numeric as duration_seconds, 0::bigint as events, 0::bigint as page_views, false as is_bounce,
            false as converted, 0::numeric as value where false
    """,
    "active_users": "select 0 as dau, 0 as wau, 0 as mau where false",
}
_ORDER = ("events", "dimensions", "measures", "kpis", "funnels", "funnel_steps", "retentions")


def published_hash(connection: psycopg.Connection) -> str | None:
    """The hash of the plan in force; None before the first."""
    row = connection.execute("select plan_hash from config.plan").fetchone()
    return str(row[0]) if row else None


def publish_plan(connection: psycopg.Connection, plan: CompiledPlan) -> bool:
    """Write the plan, in one transaction.

    Returns:
        False if this very plan was in force already.
    """
    with connection.transaction():
        connection.execute("lock table config.plan in share row exclusive mode")
        before = published_hash(connection)
        if before == plan.plan_hash:
            return False
        for table in reversed(_ORDER):
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier("config", table)))
        connection.execute("delete from config.plan")
        _insert_plan(connection, plan.tables["plan"][0])
        for table in _ORDER:
            _insert(connection, table, plan.tables[table])
        _try_expressions(connection, plan)
        if before is not None:
            connection.execute("insert into ops.changes (cause) values ('plan')")
    return True


def _try_expressions(connection: psycopg.Connection, plan: CompiledPlan) -> None:
    """Let the server judge every compiled expression on no rows, before the plan is in force."""
    for table, column in (
        ("dimensions", "expression_sql"),
        ("funnel_steps", "condition_sql"),
        ("retentions", "start_sql"),
        ("retentions", "return_sql"),
        ("measures", "expression_sql"),
        ("plan", "conversion_sql"),
    ):
        for row in plan.tables[table]:
            relation = row.get("relation", "events")
            query = sql.SQL("select {} from ({}) as e").format(sql.SQL(row[column]), sql.SQL(_EMPTY[relation]))
            try:
                with connection.transaction():
                    connection.execute(query)
            except psycopg.Error as error:
                name = next(iter(row.values()))
                reason = str(error).splitlines()[0]
                raise PlanError(
                    f"{table} {name!r}: PostgreSQL does not accept {row[column]} ({reason}): correct the types"
                ) from None


def _insert_plan(connection: psycopg.Connection, row: Row) -> None:
    connection.execute(
        """
        insert into config.plan (
            name, title, plan_hash, timezone, week_start, currency, starts_at, identity_mode, session_timeout,
            max_session, values_per_dimension, conversion_sql, document, published_at
        ) values (
            %(name)s, %(title)s, %(plan_hash)s, %(timezone)s, %(week_start)s, %(currency)s,
            %(start)s::timestamp at time zone %(timezone)s, %(identity_mode)s, %(session_timeout)s,
            make_interval(hours => %(max_session_hours)s), %(values_per_dimension)s, %(conversion_sql)s, %(document)s,
            clock_timestamp()
        )
        """,
        {**row, "document": Jsonb(row["document"])},
    )


def _insert(connection: psycopg.Connection, table: str, rows: list[Row]) -> None:
    for row in rows:
        values: dict[str, Any] = dict(row)
        columns = sql.SQL(", ").join(map(sql.Identifier, values))
        marks = sql.SQL(", ").join(map(sql.Placeholder, values))
        statement = sql.SQL("insert into {} ({}) values ({})")
        connection.execute(statement.format(sql.Identifier("config", table), columns, marks), values)
