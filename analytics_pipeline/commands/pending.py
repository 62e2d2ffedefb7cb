"""What a run would still have to do, asked of the warehouse without importing Dagster, dbt or pandas."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.settings import Settings


@dataclass(frozen=True)
class Step:
    """A part of the graph.

    Attributes:
        title: for the terminal.
        assets: keys, "schema/table"; a key that ends in / stands for all below.
        due: why it has to run; None when it is up to date.
        state: what is there now.
    """

    title: str
    assets: tuple[str, ...]
    due: str | None
    state: str = ""


_BUILD = ("quality/raw_gate", "ops/builds", "build_*", "quality/build_gate", "marts/*", "kpi/*")


def pending_steps(connection: psycopg.Connection, settings: Settings, now: datetime | None = None) -> list[Step]:
    """All steps in order; one that is due makes those that build on it due.

    Args:
        connection: to the warehouse.
        settings: of the home.
        now: the run's as_of; with its zone.
    """
    now = now or datetime.now(UTC)
    steps = [_samples(settings), _plan(connection, settings), _ingest(connection, settings)]
    if steps[0].due:
        steps[2] = Step(steps[2].title, steps[2].assets, steps[0].due, steps[2].state)
    upstream = next((s.title for s in steps if s.due), None)
    build = _build(connection, now)
    if upstream and not build.due:
        build = Step(build.title, build.assets, f"{upstream} come first", build.state)
    steps.append(build)
    for step in (
        _models(connection, "forecast"),
        _models(connection, "anomaly"),
        _tier(connection, settings),
        _report(connection),
    ):
        steps.append(Step(step.title, step.assets, "a new build", step.state) if build.due else step)
    steps.append(_docs(connection, settings, plan_is_due=steps[1].due is not None))
    return steps


def _samples(settings: Settings) -> Step:
    from analytics_pipeline.samples.marker import missing_days, read_marker

    if read_marker(settings) is None:
        return Step("Sample events", (), None, "not a demo home")
    missing = missing_days(settings)
    return Step("Sample events", ("landing/files",), f"{missing} days to write" if missing else None, str(settings.landing_dir))


def _plan(connection: psycopg.Connection, settings: Settings) -> Step:
    from analytics_pipeline.tracking_plan.compiled import compiled_plan
    from analytics_pipeline.tracking_plan.publish import published_hash

    if settings.tracking_plan == "" and published_hash(connection) is not None and not settings.sample_marker.exists():
        name = connection.execute("select name from config.plan").fetchone()
        return Step("Tracking plan", ("config/tracking_plan",), None, str(name[0]) if name else "")
    plan = compiled_plan(settings)
    due = None if published_hash(connection) == plan.plan_hash else f"{plan.name} is new or changed"
    return Step("Tracking plan", ("config/tracking_plan",), due, plan.name)


def _ingest(connection: psycopg.Connection, settings: Settings) -> Step:
    from analytics_pipeline.ingest.sources.configuration import load_sources
    from analytics_pipeline.ingest.sources.waiting import waiting

    found: dict[str, str | None] = {}
    for source in load_sources(settings):
        try:
            found[source.name] = waiting(connection, source)
        except AnalyticsError as error:  # the load will say it again, and fail
            found[source.name] = f"nobody knows what ({error})"
    row = connection.execute(
        "select coalesce(sum(rows_accepted), 0) from raw.ingest_batches where status = 'loaded'"
    ).fetchone()
    due = ", ".join(f"{what} in {name}" for name, what in found.items() if what)
    return Step("Ingest", ("ingest/*", "raw/*"), due or None, f"{row[0] if row else 0:,} events")


def _build(connection: psycopg.Connection, now: datetime) -> Step:
    from analytics_pipeline.modelling.builds import code_hash

    row = connection.execute(
        """
        select last.as_of, last.code_hash = %(code)s, last.plan_hash = p.plan_hash,
            (last.as_of at time zone p.timezone)::date = (%(now)s at time zone p.timezone)::date,
            exists (select 1 from ops.changes where consumed_by is null),
            exists (select 1 from raw.events where occurred_at > last.as_of and occurred_at <= %(now)s)
        from ops.published_build as last cross join config.plan as p
        """,
        {"code": code_hash(), "now": now},
    ).fetchone()
    if row is None:
        return Step("Build", _BUILD, "nothing is published yet")
    as_of, same_code, same_plan, same_day, changes, visible = row
    reasons = {
        "the models changed": not same_code,
        "the tracking plan changed": not same_plan,
        "events changed": changes,
        "a new day began": not same_day,
        "events became due": visible,
    }
    return Step("Build", _BUILD, next((r for r, holds in reasons.items() if holds), None), f"as of {as_of:%Y-%m-%d %H:%M} UTC")


def _models(connection: psycopg.Connection, kind: str) -> Step:
    title, assets = (
        ("Forecast", ("ml/forecasts", "ml/forecast_accuracy")) if kind == "forecast" else ("Anomalies", ("ml/anomalies",))
    )
    row = connection.execute(
        """
        select r.created_at from ml.model_runs as r
        where r.kind = %s and r.build_id = (
            select build_id from ops.published_build
        )
        """,
        (kind,),
    ).fetchone()
    return Step(title, assets, None if row else "not run for this build", f"{row[0]:%Y-%m-%d %H:%M} UTC" if row else "")


def _tier(connection: psycopg.Connection, settings: Settings) -> Step:
    from analytics_pipeline.lifecycle.inputs import TIER_STEP, tier_inputs
    from analytics_pipeline.warehouse.step_state import is_done

    row = connection.execute("select build_id, as_of from ops.published_build").fetchone()
    done = row is not None and is_done(connection, TIER_STEP, tier_inputs(settings, *row))
    total = connection.execute(
        "select count(*), coalesce(sum(rows), 0) from ops.tier_catalogue where status = 'current'"
    ).fetchone()
    state = f"{total[0]} days, {total[1]:,} rows" if total else ""
    assets = ("lake/raw_events", "ops/tier_catalogue", "ops/policies")
    return Step("Parquet tier", assets, None if done else "not checked for this build", state)


def _report(connection: psycopg.Connection) -> Step:
    row = connection.execute(
        """
        select e.path, e.created_at > (select max(created_at) from ml.model_runs where build_id = e.build_id)
        from ops.report_executions as e
        where e.build_id = (select build_id from ops.published_build)
        order by e.created_at desc limit 1
        """
    ).fetchone()
    pages = (Path(row[0]), Path(row[0]).with_name("contract.html")) if row else ()
    is_there = row is not None and row[1] is not False and all(page.exists() for page in pages)
    assets = ("reports/executive", "reports/contract")
    return Step("Report", assets, None if is_there else "not written for this build", str(row[0]) if row else "")


def _docs(connection: psycopg.Connection, settings: Settings, *, plan_is_due: bool) -> Step:
    from analytics_pipeline.modelling.docs import DOCS_STEP, docs_inputs
    from analytics_pipeline.warehouse.step_state import is_done

    page = settings.dbt_target / "static_index.html"
    done = not plan_is_due and is_done(connection, DOCS_STEP, docs_inputs(connection)) and page.exists()
    return Step("dbt docs", ("docs/dbt",), None if done else "code or plan changed", str(page))
