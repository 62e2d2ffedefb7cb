"""Forecasts as assets."""

from collections.abc import Iterator

import dagster as dg

from analytics_pipeline.forecasting.run import HORIZON, forecast_kpis
from analytics_pipeline.warehouse.published import published_build_id
from analytics_pipeline.warehouse.resource import WarehouseResource
from analytics_pipeline.warehouse.table_metadata import markdown_table, table_metadata


def _spec(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        ["ml", name],
        deps=[["kpi", "kpi_values"], ["kpi", "kpi_definitions"]],
        group_name="ml",
        kinds={"python", "postgres"},
        owners=["team:analytics"],
        description=description,
        code_version="1",
    )


@dg.multi_asset(
    name="forecast",
    specs=[
        _spec("forecasts", f"KPIs {HORIZON} days ahead, with 80% and 95% intervals."),
        _spec("forecast_accuracy", "The forecast's error in a rolling backtest, beside that of repeating last week."),
    ],
)
def forecast(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
    with warehouse.connect() as connection:
        run = forecast_kpis(connection, published_build_id(connection))
        for kpi_name, reason in run.skipped.items():
            context.log.warning(f"{kpi_name} has no forecast: {reason}")
        rows = [
            (k, f"{a.mae:,.2f}", f"{a.naive_mae:,.2f}", f"{a.coverage_80:.0%}", f"{a.coverage_95:.0%}")
            if a
            else (k, "–", "–", "–", "–")
            for k, a in run.accuracy.items()
        ]
        better = sum(a is not None and a.mae < a.naive_mae for a in run.accuracy.values())
        for table in ("forecasts", "forecast_accuracy"):
            yield dg.MaterializeResult(
                asset_key=["ml", table],
                metadata={
                    "summary": f"{len(rows)} KPIs, {HORIZON} days; {better} better than repeating last week",
                    "backtest": markdown_table(("KPI", "Mean error", "Naive error", "In 80% range", "In 95% range"), rows),
                    **table_metadata(connection, "ml", table),
                },
            )
