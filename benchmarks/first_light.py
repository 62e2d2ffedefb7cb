"""Where the demo's time goes: each step's seconds, and the share that is imports and process start.

Run: python benchmarks/first_light.py. Works in a temporary home; takes about three minutes. Bars (2 cores): first run 90 s, nothing new
15 s, a new day 60 s, --help 0.7 s, code location 8 s.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

COMMAND = str(Path(sys.executable).with_name("analytics-pipeline"))
STEP = re.compile(r"^  ✓ (.{15}) +([\d.]+) s", re.M)
IMPORTED = ("dagster", "dagster_dbt", "dagster_postgres", "great_expectations", "statsmodels.tsa.api", "pyod.models.mad", "altair",
            "adbc_driver_postgresql.dbapi", "duckdb", "pyarrow", "alembic", "psycopg")  # fmt: skip


def seconds(command: list[str], **variables: str) -> tuple[float, str]:
    """Wall seconds of a whole process, and its output."""
    began = time.monotonic()
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - began, done.stdout


def fastest(command: list[str], runs: int = 3, **variables: str) -> float:
    """Median of several runs."""
    return median(seconds(command, **variables)[0] for _ in range(runs))


def show(title: str, value: float, bar: float) -> None:
    print(f"{title:<42} {value:7.2f} s   {value / bar:5.2f} of the bar of {bar:g} s")


def main() -> None:
    bare = fastest([sys.executable, "-c", "pass"])
    with tempfile.TemporaryDirectory(prefix="first-light-") as folder:
        home = {"ANALYTICS_HOME": f"{folder}/home"}
        now = datetime.now(UTC)
        first, output = seconds([COMMAND, "demo", "--as-of", now.isoformat()], **home)
        steps = STEP.findall(output)
        again, _ = seconds([COMMAND, "demo", "--as-of", now.isoformat()], **home)
        new_day, new_output = seconds([COMMAND, "demo", "--as-of", (now + timedelta(days=1)).isoformat()], **home)
        location = fastest([sys.executable, "-c", "import analytics_pipeline.definitions as d; d.defs()"], **home)
        parse = fastest([str(Path(sys.executable).with_name("dbt")), "--version"], runs=1)
    print(f"{'step':<16} {'first run':>10} {'new day':>10}")
    later = dict(STEP.findall(new_output))
    for name, took in steps:
        print(f"{name:<16} {took:>8} s {later.get(name, '-'):>8} s")
    imports = {module: fastest([sys.executable, "-c", f"import {module}"], runs=1) - bare for module in IMPORTED}
    print("\nimports, each in a process of its own (some share parts)")
    for module, took in sorted(imports.items(), key=lambda item: -item[1]):
        print(f"  {module:<32} {took:6.2f} s")
    in_turn = f"import {', '.join(IMPORTED)}"
    together = fastest([sys.executable, "-c", in_turn], runs=1) - bare
    print(f"  {'all, in one process':<32} {together:6.2f} s")
    print(f"  {'dbt, started once per command':<32} {parse:6.2f} s, twice in a first run, once on a new day")
    print(
        f"\nimports and process start: {(together + 2 * parse) / first:.0%} of the first run, {(together + parse) / new_day:.0%} of a new day"
    )
    show("demo, first run", first, 90)
    show("demo, nothing new", again, 15)
    show("demo, a new day", new_day, 60)
    show("analytics-pipeline --help", fastest([COMMAND, "--help"]), 0.7)
    show("code location", location, 8)


if __name__ == "__main__":
    main()
