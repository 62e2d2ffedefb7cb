"""Reports as assets."""

import dagster as dg

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.reports.charts import sparkline
from analytics_pipeline.reports.executive import write_executive
from analytics_pipeline.reports.executive_data import read_executive
from analytics_pipeline.reports.site import write_site
from analytics_pipeline.warehouse.resource import WarehouseResource


@dg.asset(
    key=["reports", "executive"],
    deps=[
        ["kpi", "kpi_values"],
        ["kpi", "kpi_status"],
        ["kpi", "kpi_definitions"],
        ["ml", "forecasts"],
        ["ml", "forecast_accuracy"],
        ["ml", "anomalies"],
        ["marts", "fct_funnel_attempts"],
        ["marts", "fct_retention"],
        ["raw", "ingest_batches"],
        ["quality", "raw_gate"],
        ["quality", "build_gate"],
    ],
    group_name="reports",
    kinds={"html"},
    owners=["team:analytics"],
    code_version="1",
    description="Headline KPIs, forecasts, what stood out and why, funnel, retention and data quality, on one page.",
)
def executive(warehouse: WarehouseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    folder = warehouse.settings.report_dir
    with warehouse.connect() as connection:
        path = write_executive(connection, folder)
        data = read_executive(connection)
    if path is None or data is None:
        raise AnalyticsError("nothing is published yet: there is nothing to report on")
    write_site(folder)
    lines = [f"| {k['title']} | {k['value']} | {k['status']} |" for k in data.headlines]
    return dg.MaterializeResult(
        metadata={
            "summary": str(path),
            "report": dg.MetadataValue.url(path.as_uri()),
            "dagster/uri": path.as_uri(),
            "headlines": dg.MetadataValue.md("\n".join(["| KPI | Value | Status |", "| --- | --- | --- |", *lines])),
            "chart": dg.MetadataValue.md(_inline(data.headlines[0]["history"], data.headlines[0]["title"]))
            if data.headlines
            else "",
        }
    )


def write_again(warehouse: WarehouseResource) -> None:
    """Write the report of what is still published once more, when newer numbers were blocked: it says so on top."""
    with warehouse.connect() as connection:
        if write_executive(connection, warehouse.settings.report_dir) is not None:
            write_site(warehouse.settings.report_dir)


def _inline(values: list[float | None], title: str) -> str:
    """A chart that shows in Dagster, which takes images as data URLs."""
    import base64

    svg = sparkline(values, title).replace("var(--accent)", "#1f6f78")
    return f"**{title}**\n\n![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
