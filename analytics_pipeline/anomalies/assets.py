"""Anomalies as an asset."""

import dagster as dg

from analytics_pipeline.anomalies.run import watch_kpis
from analytics_pipeline.warehouse.published import published_build_id
from analytics_pipeline.warehouse.resource import WarehouseResource
from analytics_pipeline.warehouse.table_metadata import markdown_table, table_metadata


@dg.asset(
    key=["ml", "anomalies"],
    deps=[["kpi", "kpi_values"], ["kpi", "kpi_definitions"]],
    group_name="ml",
    kinds={"python", "postgres"},
    owners=["team:analytics"],
    code_version="1",
    description="Days on which a watched KPI left its pattern, with the dimension values that drove it.",
)
def anomalies(warehouse: WarehouseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    with warehouse.connect() as connection:
        found = watch_kpis(connection, published_build_id(connection))
        totals = sorted((a for a in found if a.dimension == "all"), key=lambda a: a.day, reverse=True)
        rows = [
            (
                str(a.day),
                a.kpi_name,
                f"{a.value:,.3f}",
                f"{a.expected:,.3f}",
                f"{a.score:.1f}",
                ", ".join(f"{d.dimension} {d.dimension_value}" for d in a.drivers),
            )
            for a in totals
        ]
        newest = f"; {totals[0].kpi_name} on {totals[0].day}: {rows[0][5] or 'no single cause'}" if totals else ""
        return dg.MaterializeResult(
            metadata={
                "summary": f"{len(totals)} in totals, {len(found) - len(totals)} in parts{newest}",
                "anomalies": markdown_table(("Day", "KPI", "Value", "Expected", "Score", "Driven by"), rows),
                **table_metadata(connection, "ml", "anomalies"),
            }
        )
