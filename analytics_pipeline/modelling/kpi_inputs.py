"""What each KPI of the published plan rests on, for Dagster's catalogue and dbt docs."""

import psycopg
from psycopg.rows import dict_row

from analytics_pipeline.tracking_plan.rests_on import Inputs, inputs_of_kpi


def kpi_inputs(connection: psycopg.Connection) -> dict[str, Inputs]:
    """Inputs by name of the KPI, in the order of the plan."""
    with connection.cursor(row_factory=dict_row) as cursor:
        plan = cursor.execute("select conversion_sql, revenue_sql, refund_sql from config.plan").fetchone() or {}
        measures = cursor.execute("select * from config.measures").fetchall()
        kpis = cursor.execute("select kpi_name, measures from config.kpis order by position").fetchall()
    return {kpi["kpi_name"]: inputs_of_kpi(kpi, measures, plan) for kpi in kpis}


def written(inputs: Inputs) -> tuple[str, str]:
    """Events, and columns and properties of raw events, in words."""
    events = "all" if inputs.events is None else ", ".join(inputs.events)
    return events, ", ".join([*inputs.columns, *(f"properties.{name}" for name in inputs.properties)])
