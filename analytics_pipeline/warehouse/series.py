"""Reads published KPI series, for the rooms that compute with them. Nothing is computed here."""

from dataclasses import dataclass
from datetime import date

import psycopg

TOTAL = ("all", "all")


@dataclass(frozen=True)
class DailySeries:
    """A KPI by local day without gaps, partial days left out. All lists have the same length.

    Attributes:
        values: NaN where a ratio has no denominator, or a percentile nothing to rank.
        numerators: NaN where a percentile has nothing to rank.
        weights: the denominator of a ratio; None for counts and amounts.
    """

    kpi_name: str
    dimension: str
    dimension_value: str
    days: list[date]
    values: list[float]
    numerators: list[float]
    weights: list[float] | None


def daily_series(connection: psycopg.Connection, flag: str, *, with_dimensions: bool) -> list[DailySeries]:
    """The series of the KPIs that the plan flags.

    Args:
        connection: to the warehouse.
        flag: forecast or watch.
        with_dimensions: also the series of each dimension's values.
    """
    rows = connection.execute(
        """
        select v.kpi_name, v.dimension, v.dimension_value, array_agg(v.period_date order by v.period_date),
            array_agg(coalesce(v.value, 'NaN')::float8 order by v.period_date),
            array_agg(coalesce(v.numerator, 'NaN')::float8 order by v.period_date),
            array_agg(v.denominator::float8 order by v.period_date)
        from kpi.kpi_values as v
        inner join kpi.kpi_definitions as d on v.kpi_name = d.kpi_name
        where not v.is_partial and v.grain = 'day' and (v.dimension = 'all' or %(with_dimensions)s)
            and case %(flag)s when 'forecast' then d.forecast when 'watch' then d.watch end
        group by d.position, v.kpi_name, v.dimension, v.dimension_value
        order by d.position, v.dimension, v.dimension_value
        """,
        {"flag": flag, "with_dimensions": with_dimensions},
    ).fetchall()
    return [DailySeries(row[0], row[1], row[2], row[3], row[4], row[5], _zeros(row[6])) for row in rows]


def _zeros(values: list[float | None]) -> list[float] | None:
    if all(value is None for value in values):
        return None
    return [0.0 if value is None else value for value in values]
