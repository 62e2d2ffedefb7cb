"""`explain`: what a KPI is, what it is made of, and how fresh it is."""

import psycopg
from psycopg.rows import dict_row

from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.source_fields import SourceFields, fields_in_use, property_fields
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.rests_on import Inputs, inputs_of_measure
from analytics_pipeline.warehouse.connection import open_warehouse

_WAY = {
    "events": "raw.events > stg_raw__events > int_events > int_measures",
    "persons": "raw.events > stg_raw__events > int_events > int_person_measures",
    "items": "raw.events > stg_raw__events > int_events > int_items",
    "sessions": "raw.events > stg_raw__events > int_events > fct_sessions > int_measures",
    "active_users": "raw.events > stg_raw__events > int_events > fct_person_days > fct_active_users",
}


def explain(settings: Settings, kpi: str) -> str:
    """Definition, formula, sources, SQL and freshness. Raises UsageError."""
    with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
        return explained(connection, kpi)


def explained(connection: psycopg.Connection, kpi: str) -> str:
    """The same over an open connection. Raises UsageError."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("select * from config.kpis where kpi_name = %s", (kpi,)).fetchone()
        if row is None:
            known = cursor.execute("select string_agg(kpi_name, ', ' order by position) as names from config.kpis").fetchone()
            names = (known or {})["names"] or "none: publish a plan first"
            raise UsageError(f"the plan has no KPI {kpi!r}; it has {names}")
        measures = cursor.execute(
            "select * from config.measures where measure = any(%s) order by measure", (row["measures"],)
        ).fetchall()
        plan = cursor.execute("select conversion_sql, revenue_sql, refund_sql from config.plan").fetchone() or {}
        is_built = cursor.execute("select to_regclass('kpi.kpi_values') is not null as it").fetchone()
        fresh = None
        if is_built and is_built["it"]:
            fresh = cursor.execute(
                """
                select b.as_of, b.finished_at, v.period_date, v.value, v.definition_hash
                from ops.published_build as b
                left join lateral (
                    select * from kpi.kpi_values
                    where kpi_name = %s and grain = 'day' and dimension = 'all' and not is_partial
                    order by period_date desc limit 1
                ) as v on true
                """,
                (kpi,),
            ).fetchone()
    sources = fields_in_use(connection)
    lines = [
        f"{row['title']} ({kpi})",
        *([row["description"]] if row["description"] else []),
        "",
        f"formula      {row['formula']}",
        f"unit         {row['unit']}; {row['direction']} is good",
        f"owner        {row['owner']}",
        f"by           {', '.join(row['grains'])}; divided by {', '.join(row['dimensions']) or 'nothing'}",
        f"thresholds   target {_said(row['target'])}, warning {_said(row['warning'])}, critical {_said(row['critical'])}",
        f"definition   {row['definition_hash']}",
        "",
        "numerator    " + row["numerator_sql"],
        *(["denominator  " + row["denominator_sql"]] if row["denominator_sql"] else []),
        "",
    ]
    for measure in measures:
        lines.append(f"{measure['measure']}: over {measure['relation']}")
        lines.append(
            "  " + (measure["expression_sql"] or f"percentile {measure['percentile']} of sums per {measure['item_sql']}")
        )
        lines.append("  " + _WAY[measure["relation"]] + " > int_period_measures > kpi_values")
        lines += _origins(inputs_of_measure(measure, plan), sources)
    return "\n".join([*lines, "", *_freshness(row, fresh)])


def _origins(inputs: Inputs, sources: list[SourceFields]) -> list[str]:
    """Events, and down to the fields of each source that events were loaded from."""
    fields = {
        **{column: {s.source: s.fields.get(column, []) for s in sources} for column in inputs.columns},
        **{f"properties.{p}": {s.source: property_fields(s.fields, p) for s in sources} for p in inputs.properties},
    }
    width = max(map(len, fields), default=0)
    lines = [f"    events      {', '.join(inputs.events) if inputs.events is not None else 'all'}"]
    for name, found in fields.items():
        places = [f"{source}: {', '.join(paths)}" for source, paths in found.items() if paths]
        lines.append(f"    raw.events.{name:<{width}}  < {'; '.join(places) or 'no source fills it'}")
    return lines


def _freshness(row: dict[str, object], fresh: dict[str, object] | None) -> list[str]:
    if fresh is None:
        return ["not computed yet: run `analytics-pipeline run`"]
    lines = [f"fresh to     {fresh['as_of']} (published {fresh['finished_at']})"]
    if fresh["period_date"] is None:
        return [*lines, "no whole day has a value yet"]
    lines.append(f"last day     {fresh['period_date']}: {_said(fresh['value'])}")
    if fresh["definition_hash"] != row["definition_hash"]:
        lines.append("             computed with an earlier definition: the next run computes it again")
    return lines


def _said(value: object) -> str:
    return "none" if value is None else f"{value:,.4f}".rstrip("0").rstrip(".")
