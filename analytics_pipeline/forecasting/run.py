"""Forecasts the KPIs that the plan flags and keeps forecasts and errors in ml.*."""

import time
import uuid
from dataclasses import asdict, dataclass
from datetime import timedelta

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from analytics_pipeline.forecasting import model
from analytics_pipeline.warehouse.series import DailySeries, daily_series

HORIZON = 30


@dataclass(frozen=True)
class ForecastRun:
    """What was forecast, and what was not, with the reason."""

    model_run_id: uuid.UUID
    accuracy: dict[str, model.Accuracy | None]
    skipped: dict[str, str]


def forecast_kpis(connection: psycopg.Connection, build_id: uuid.UUID) -> ForecastRun:
    """Forecast 30 days ahead from the published values of a build; replaces what an earlier run wrote for this build.

    Days on which a ratio has no denominator count as the day a week before. Needs 28 days; 56 for a backtest.
    """
    began = time.monotonic()
    run = ForecastRun(uuid.uuid4(), {}, {})
    rows: list[tuple[object, ...]] = []
    for series in daily_series(connection, "forecast", with_dimensions=False):
        try:
            rows += _forecast(run, series)
        except ValueError as error:
            run.skipped[series.kpi_name] = str(error)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("delete from ml.model_runs where kind = 'forecast' and build_id = %s", (build_id,))
        cursor.execute(
            "insert into ml.model_runs values (%s, 'forecast', %s, %s, %s, %s)",
            (run.model_run_id, build_id, model.NAME, Jsonb({"horizon": HORIZON}), round(time.monotonic() - began, 3)),
        )
        cursor.executemany("insert into ml.forecasts values (%s, %s, %s, %s, %s, %s, %s, %s)", rows)
        for kpi_name, accuracy in run.accuracy.items():
            if accuracy is not None:
                cursor.execute(
                    """
                    insert into ml.forecast_accuracy values (%(run)s, %(kpi)s, %(model)s, %(origins)s, %(horizon)s,
                    %(mae)s, %(rmse)s, %(coverage_80)s, %(coverage_95)s, %(naive_mae)s, %(naive_rmse)s)
                    """,
                    {"run": run.model_run_id, "kpi": kpi_name, "model": model.NAME, **asdict(accuracy)},
                )
    return run


def _forecast(run: ForecastRun, series: DailySeries) -> list[tuple[object, ...]]:
    values = _filled(np.asarray(series.values, dtype=float))
    expected = model.forecast(values, HORIZON)
    try:
        run.accuracy[series.kpi_name] = model.backtest(values)
    except ValueError:
        run.accuracy[series.kpi_name] = None
    columns = (expected.mean, expected.lower_80, expected.upper_80, expected.lower_95, expected.upper_95)
    return [
        (run.model_run_id, series.kpi_name, series.days[-1] + timedelta(days=i + 1), *(float(c[i]) for c in columns))
        for i in range(HORIZON)
    ]


def _filled(values: model.Array) -> model.Array:
    for i in np.flatnonzero(np.isnan(values)):
        values[i] = values[i - model.SEASON] if i >= model.SEASON else np.nanmean(values)
    return values
