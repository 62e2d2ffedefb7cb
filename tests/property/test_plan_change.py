"""A change of the plan computes again what it must and no more; history that has left is never computed again."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from analytics_pipeline.errors import UsageError
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.quality.holds import release_pending
from tests.conftest import PLAN, Builder, publish_text
from tests.property.test_build import FIRST, history, load

AS_OF = FIRST + timedelta(days=13)


def places(builder: Builder, table: str) -> set[object]:
    """Where the rows of a table lie, and which transaction wrote them."""
    rows = builder.connection.execute(f"select ctid::text, xmin::text from {table}".encode()).fetchall()
    return {tuple(row) for row in rows}


def test_a_new_kpi_and_a_changed_funnel_leave_events_and_sessions_as_they_are(builder: Builder, tmp_path: Path) -> None:
    load(builder, tmp_path / "1.ndjson", history(random.Random(5), 120))
    builder.build(AS_OF)
    before = {
        t: places(builder, t) for t in ("build_intermediate.int_events", "build_marts.fct_sessions", "marts.fct_sessions")
    }
    changed = PLAN.replace("window: 2d", "window: 5d").replace(
        "  mau: {title: MAU", "  buyers: {title: Buyers, formula: buyers, dimensions: [country]}\n  mau: {title: MAU"
    )
    publish_text(builder.connection, tmp_path, changed)
    release_pending(builder.connection)
    build = begin_build(builder.connection, AS_OF)
    assert not build.is_full
    assert {"fct_funnel", "kpi_values", "int_period_measures"} <= set(build.rebuilt)
    assert not {"int_events", "fct_sessions", "fct_retention", "int_links"} & set(build.rebuilt)
    builder.connection.execute("delete from ops.builds where status = 'building'")
    builder.build(AS_OF)
    stepwise = builder.published()
    days = {row[0] for row in builder.connection.execute("select period_date from kpi.kpi_values where kpi_name = 'buyers'")}
    assert len(days) > 7
    for table, rows in before.items():
        assert len(rows & places(builder, table)) > 0.5 * len(rows), f"{table} was written again"
    builder.build(AS_OF, full_refresh=True)
    assert builder.published() == stepwise


def test_events_that_arrive_together_with_a_new_session_rule_are_counted(builder: Builder, tmp_path: Path) -> None:
    events = history(random.Random(7), 160)
    load(builder, tmp_path / "1.ndjson", events[:100])
    builder.build(AS_OF)
    publish_text(builder.connection, tmp_path, PLAN + "session_timeout: 20m\n")
    load(builder, tmp_path / "2.ndjson", events[100:])
    builder.build(AS_OF)
    stepwise = builder.published()
    builder.build(AS_OF, full_refresh=True)
    assert builder.published() == stepwise


def test_history_whose_raw_events_have_left_is_not_computed_again(builder: Builder, tmp_path: Path) -> None:
    load(builder, tmp_path / "1.ndjson", history(random.Random(6), 60))
    builder.build(AS_OF)
    gone = FIRST + timedelta(days=5)
    builder.connection.execute("delete from raw.events where occurred_at < %s", (gone,))
    with pytest.raises(UsageError, match="have left the warehouse"):
        release_pending(builder.connection)
        begin_build(builder.connection, AS_OF, full_refresh=True)
    assert builder.connection.execute("select count(*) from ops.builds where status = 'building'").fetchone() == (0,)
    before = builder.connection.execute(
        "select * from kpi.kpi_values where period_date < %s order by 1, 2, 3", (gone.date(),)
    ).fetchall()
    builder.build(AS_OF + timedelta(days=1))
    after = builder.connection.execute(
        "select * from kpi.kpi_values where period_date < %s order by 1, 2, 3", (gone.date(),)
    ).fetchall()
    assert [row[:9] for row in after] == [row[:9] for row in before]
