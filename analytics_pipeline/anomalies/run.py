"""Looks for anomalies in the KPIs that the plan watches and keeps them in ml.anomalies."""

import time
import uuid
from dataclasses import asdict

import psycopg
from psycopg.types.json import Jsonb

from analytics_pipeline.anomalies.detect import DETECTOR, PART_THRESHOLD, TOTAL_THRESHOLD, Anomaly, detect
from analytics_pipeline.warehouse.series import daily_series


def watch_kpis(connection: psycopg.Connection, build_id: uuid.UUID) -> list[Anomaly]:
    """Detect in the published values of a build; replaces what an earlier run wrote for this build."""
    began = time.monotonic()
    found = detect(daily_series(connection, "watch", with_dimensions=True))
    run_id = uuid.uuid4()
    parameters = {"total_threshold": TOTAL_THRESHOLD, "part_threshold": PART_THRESHOLD}
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("delete from ml.model_runs where kind = 'anomaly' and build_id = %s", (build_id,))
        cursor.execute(
            "insert into ml.model_runs values (%s, 'anomaly', %s, %s, %s, %s)",
            (run_id, build_id, DETECTOR, Jsonb(parameters), round(time.monotonic() - began, 3)),
        )
        cursor.executemany(
            "insert into ml.anomalies values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    run_id,
                    a.kpi_name,
                    a.day,
                    a.dimension,
                    a.dimension_value,
                    a.value,
                    a.expected,
                    a.score,
                    "above" if a.value > a.expected else "below",
                    Jsonb([asdict(d) for d in a.drivers]),
                )
                for a in found
            ],
        )
    return found
