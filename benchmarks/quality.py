"""What checks cost: both gates of a daily run beside the whole of it, on a short and on a long history.

Run: python benchmarks/quality.py [--per-day 110000] [--days 12 24] [--repeats 3]

110,000 events a day are ten million in 90 days; a day's checks cost what the day costs, so that shorter histories of the same day
stand for longer ones. The daily run is the raw gate, dbt with its tests, the build gate and publishing; loading, forecasts and
reports, which would make the share smaller, are left out. The import of Great Expectations is paid once a run, and stated apart.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from analytics_pipeline.modelling.builds import begin_build, current_build
from analytics_pipeline.modelling.publish import publish_build, touched_query
from analytics_pipeline.quality.build_gate import judge_build
from analytics_pipeline.quality.passes import GateOutcome
from analytics_pipeline.quality.raw_gate import judge_raw
from analytics_pipeline.warehouse import embedded
from benchmarks.marts import Bench, database

LIMIT = 0.15


def one_day(bench: Bench) -> dict[str, float]:
    """Seconds of each part of one more day's run."""
    bench.load()
    bench.rest()
    return run(bench)


def run(bench: Bench, *, full: bool = False) -> dict[str, float]:
    """Judge, build, judge, publish what is loaded; seconds of each part."""
    took: dict[str, float] = {}
    as_of = bench.local_time(bench.loaded, 3)
    began = time.monotonic()

    def note(part: str) -> None:
        nonlocal began
        now = time.monotonic()
        took[part], began = now - began, now

    outcome = judge_raw(bench.warehouse, as_of, with_suites=True)
    note("raw gate")
    _require(outcome)
    begin_build(bench.connection, as_of, full_refresh=full)
    build = current_build(bench.connection)
    bench.dbt("build", *(["--full-refresh"] if build.is_full else []))
    note("dbt")
    outcome = judge_build(
        bench.warehouse, lambda relation: touched_query(build, relation), dbt_target=bench.settings.dbt_target
    )
    note("build gate")
    _require(outcome)
    publish_build(bench.connection, build)
    note("publish")
    return took


def _require(outcome: GateOutcome) -> None:
    if outcome.blocked:
        sys.exit(f"a gate blocked, so that nothing was measured: {outcome.reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-day", type=int, default=110_000, help="events of a day")
    parser.add_argument("--days", type=int, nargs=2, default=(12, 24), help="lengths of the two histories")
    parser.add_argument("--repeats", type=int, default=3, help="days measured on each")
    arguments = parser.parse_args()
    began = time.monotonic()
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations  # noqa: F401

    print(f"Great Expectations' import, once a run: {time.monotonic() - began:.1f} s", flush=True)
    shares = []
    with tempfile.TemporaryDirectory() as work, embedded.acquire(Path(work)):
        server = embedded.server_url(Path(work))
        for days in arguments.days:
            with database(server, Path(work), arguments.per_day, days, arguments.repeats) as bench:
                bench.load(days)
                bench.rest()
                run(bench, full=True)
                measured = [one_day(bench) for _ in range(arguments.repeats)]
            parts = {name: statistics.median(day[name] for day in measured) for name in measured[0]}
            whole = statistics.median(sum(day.values()) for day in measured)
            shares.append(statistics.median((d["raw gate"] + d["build gate"]) / sum(d.values()) for d in measured))
            written = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items())
            print(f"after {days} days of {arguments.per_day:,} events: {written}; whole {whole:.1f} s", flush=True)
            print(f"    checks' share: {shares[-1]:.3f} (limit {LIMIT})", flush=True)
    print(f"checks' share after the longer history over that after the shorter: {shares[1] / shares[0]:.2f}")


if __name__ == "__main__":
    main()
