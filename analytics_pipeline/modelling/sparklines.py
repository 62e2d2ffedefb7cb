"""KPIs with their last weeks drawn in letters, and what they rest on, for the page of the KPI tables in Dagster."""

from collections.abc import Sequence
from typing import Any

import psycopg

from analytics_pipeline.modelling.kpi_inputs import kpi_inputs, written
from analytics_pipeline.modelling.publish import PublishedTable
from analytics_pipeline.warehouse.table_metadata import markdown_table

_BARS = "▁▂▃▄▅▆▇█"
_DAYS = 28


def sparkline(values: Sequence[float | None]) -> str:
    """One letter a value, from the lowest to the highest; a blank where there is none."""
    known = [v for v in values if v is not None]
    low, span = (min(known), max(known) - min(known)) if known else (0.0, 0.0)
    return "".join(" " if v is None else _BARS[round((v - low) / span * 7) if span else 3] for v in values)


def kpi_metadata(connection: psycopg.Connection, table: PublishedTable) -> dict[str, Any]:
    """All KPIs with their trend, and what they rest on; nothing for other tables than kpi_values and kpi_status."""
    if table.name not in {"kpi_values", "kpi_status"}:
        return {}
    rows = connection.execute(
        """
        select d.title, d.unit, array_agg(v.value::float8 order by v.period_date)
        from kpi.kpi_definitions as d
        inner join kpi.kpi_values as v on d.kpi_name = v.kpi_name
        where
            v.grain = 'day' and v.dimension = 'all' and not v.is_partial
            and v.period_date > (
                select max(w.period_date) from kpi.kpi_values as w
                where w.grain = 'day' and w.dimension = 'all' and w.kpi_name = d.kpi_name
            ) - %s
        group by d.position, d.title, d.unit
        order by d.position
        """,
        (_DAYS,),
    ).fetchall()
    cells = [(title, _shown(values[-1]), unit, sparkline(values)) for title, unit, values in rows]
    rests_on = [(name, *written(inputs)) for name, inputs in kpi_inputs(connection).items()]
    return {
        "kpis": markdown_table(("KPI", "Last day", "Unit", f"Last {_DAYS} days"), cells),
        "what KPIs rest on": markdown_table(("KPI", "Events", "Columns and properties of raw.events"), rests_on),
    }


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
