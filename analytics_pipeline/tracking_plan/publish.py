"""Makes a compiled plan the warehouse's: writes `config.*` and notes in the ledger what has to be computed again."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics_pipeline.errors import PlanError
from analytics_pipeline.tracking_plan.compile import CompiledPlan
from analytics_pipeline.tracking_plan.diff import published_tables, summary
from analytics_pipeline.tracking_plan.hashes import Row
from analytics_pipeline.warehouse.audit import record

_EVENTS = "select *, true as is_activity, '' as person_key, value as amount from raw.events where false"
_EMPTY = {
    "events": _EVENTS,
    "persons": _EVENTS,
    "items": _EVENTS,
    "sessions": """
        select 0::numeric as duration_seconds, 0::bigint as events, 0::bigint as page_views, false as is_bounce,
            false as converted, 0::numeric as value where false
    """,
    "active_users": "select 0 as dau, 0 as wau, 0 as mau where false",
    "segments": """
        select 0::bigint as frequency, 0::bigint as purchase_days, 0 as recency_days, 0 as age_days, 0 as days_since_purchase,
            0::numeric as monetary, 0::numeric as engagement, 0::bigint as active_days, 0 as days_since_active,
            0 as days_since_first_active, 0::bigint as events, false as is_churned where false
    """,
}
_OVERVIEW = (Path(__file__).parent / "live_overview.sql").read_text()
_ORDER = (
    "events",
    "properties",
    "rates",
    "excluded_traffic",
    "calendar",
    "dimensions",
    "segments",
    "measures",
    "kpis",
    "funnels",
    "funnel_steps",
    "funnel_exclusions",
    "retentions",
    "flows",
    "conversions",
    "rules",
    "storage",
    "alerting",
    "owners",
    "parts",
)
_EXPRESSIONS = (
    ("dimensions", "expression_sql"),
    ("excluded_traffic", "condition_sql"),
    ("funnel_steps", "condition_sql"),
    ("funnel_exclusions", "condition_sql"),
    ("retentions", "start_sql"),
    ("retentions", "return_sql"),
    ("flows", "node_sql"),
    ("flows", "condition_sql"),
    ("conversions", "opportunity_sql"),
    ("conversions", "conversion_sql"),
    ("conversions", "match_sql"),
    ("segments", "condition_sql"),
    ("measures", "expression_sql"),
    ("measures", "condition_sql"),
    ("measures", "item_sql"),
    ("plan", "conversion_sql"),
    ("rules", "condition_sql"),
    ("rules", "value_sql"),
    ("rules", "other_value_sql"),
)


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
        change = summary(published_tables(connection), plan.tables)
        for table in reversed(_ORDER):
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier("config", table)))
        connection.execute("delete from config.plan")
        _insert_plan(connection, plan.tables["plan"][0])
        for table in _ORDER:
            _insert(connection, table, plan.tables[table])
        _try_expressions(connection, plan)
        _show_overview(connection, plan)
        if before is not None:
            connection.execute("insert into ops.changes (cause) values ('plan')")
        record(connection, "publish plan", plan.name, change)
    return True


def _show_overview(connection: psycopg.Connection, plan: CompiledPlan) -> None:
    """The live overview reads raw events with the plan's own conditions, which are compiled."""
    row = plan.tables["plan"][0]
    excluded = " or ".join(f"({rule['condition_sql']})" for rule in plan.tables["excluded_traffic"]) or "false"
    conditions = {
        "converts": row["conversion_sql"],
        "is_revenue": row["revenue_sql"],
        "is_refund": row["refund_sql"],
        "is_excluded": excluded,
    }
    connection.execute(sql.SQL(_OVERVIEW).format(**{name: sql.SQL(text) for name, text in conditions.items()}))


def _try_expressions(connection: psycopg.Connection, plan: CompiledPlan) -> None:
    """Let the server judge every compiled expression on no rows, before the plan is in force."""
    for table, column in _EXPRESSIONS:
        for row in plan.tables[table]:
            if row[column] is None:
                continue
            relation = "segments" if table == "segments" else row.get("relation", "events")
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
            max_session, values_per_dimension, unknown_events, conversion_sql, revenue_sql, refund_sql, engagement, churn_after,
            document, published_at
        ) values (
            %(name)s, %(title)s, %(plan_hash)s, %(timezone)s, %(week_start)s, %(currency)s,
            %(start)s::timestamp at time zone %(timezone)s, %(identity_mode)s, %(session_timeout)s,
            make_interval(hours => %(max_session_hours)s), %(values_per_dimension)s, %(unknown_events)s,
            %(conversion_sql)s, %(revenue_sql)s, %(refund_sql)s, %(engagement)s, %(churn_after)s, %(document)s,
            clock_timestamp()
        )
        """,
        {**{k: _exact(v) for k, v in row.items()}, "document": Jsonb(row["document"]), "engagement": Jsonb(row["engagement"])},
    )


def _insert(connection: psycopg.Connection, table: str, rows: list[Row]) -> None:
    for row in rows:
        values = {name: _exact(value) for name, value in row.items()}
        columns = sql.SQL(", ").join(map(sql.Identifier, values))
        marks = sql.SQL(", ").join(map(sql.Placeholder, values))
        statement = sql.SQL("insert into {} ({}) values ({})")
        connection.execute(statement.format(sql.Identifier("config", table), columns, marks), values)


def _exact(value: Any) -> Any:
    """A duration as seconds, so that no day of 23 hours shortens it."""
    return f"{value.total_seconds()} seconds" if isinstance(value, timedelta) else value
