"""Reports as assets."""

import dagster as dg

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.reports.charts import sparkline
from analytics_pipeline.reports.contract import write_contract
from analytics_pipeline.reports.contract_data import read_contract
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
    """Write the report of what is still published once more, when newer numbers were blocked: it says so on top.

    The page on plan and reality is written, too: it may say why.
    """
    folder = warehouse.settings.report_dir
    with warehouse.connect() as connection:
        write_contract(connection, folder)
        write_executive(connection, folder)
    write_site(folder)


@dg.asset(
    key=["reports", "contract"],
    deps=[["config", "tracking_plan"], ["raw", "quarantine"], ["quality", "raw_gate"]],
    group_name="reports",
    kinds={"html"},
    owners=["team:analytics"],
    code_version="1",
    description="Which events and properties break the tracking plan, are not in it, or never came, by version.",
)
def contract(warehouse: WarehouseResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    folder = warehouse.settings.report_dir
    with warehouse.connect() as connection:
        path = write_contract(connection, folder)
        data = read_contract(connection)
    write_site(folder)
    summary = "no plan yet"
    if data is not None:
        counts = {"break the plan": data.faults, "not in it": data.unknown, "absent": data.absent}
        summary = ", ".join(f"{len(rows)} {what}" for what, rows in counts.items())
    return dg.MaterializeResult(metadata={"summary": summary, "page": dg.MetadataValue.url(path.as_uri())})


def _inline(values: list[float | None], title: str) -> str:
    """A chart that shows in Dagster, which takes images as data URLs."""
    import base64

    svg = sparkline(values, title).replace("var(--accent)", "#1f6f78")
    return f"**{title}**\n\n![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
