"""What dbt's own tests find is in the same list as all else, and blocks there."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.modelling.builds import current_build
from analytics_pipeline.modelling.publish import touched_query
from analytics_pipeline.quality.build_gate import judge_build
from analytics_pipeline.quality.dbt_tests import dbt_test_results
from analytics_pipeline.quality.validation import run_suites
from tests.conftest import Builder

AS_OF = datetime(2026, 3, 25, 12, tzinfo=UTC)
TESTS = {
    "assert_every_event_of_the_build_is_counted_once": ("build_intermediate.int_events", "consistency"),
    "assert_revenue_is_converted": ("build_marts.fct_revenue", "validity"),
    "assert_sessions_never_overlap_for_a_person": ("build_marts.fct_sessions", "consistency"),
    "assert_active_users_are_nested": ("build_marts.fct_active_users", "consistency"),
    "unique_int_identity_anonymous_id": ("build_intermediate.int_identity", "uniqueness"),
    "not_null_int_identity_anonymous_id": ("build_intermediate.int_identity", "completeness"),
    "accepted_values_kpi_status_status__on_target__below_target__warning__critical__no_target__no_data__partial": (
        "build_kpi.kpi_status",
        "validity",
    ),
}


def load(builder: Builder, folder: Path) -> None:
    lines = [
        {
            "event_name": name,
            "occurred_at": f"2026-03-24T{hour:02}:00:00+00:00",
            "received_at": "2026-03-24T23:00:00+00:00",
            "user_id": f"u{hour % 3}",
            "anonymous_id": f"a{hour % 5}",
            "country": "DE",
            "value": 10,
            "event_id": f"00000000-0000-4000-8000-{hour:010}{len(name):02}",
        }
        for hour in range(8, 20)
        for name in ("view", "buy")
    ]
    path = folder / "events.ndjson"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    assert load_file(builder.connection, path, load_mapping("envelope"), "envelope").outcome == "loaded"


@pytest.mark.only_on("embedded", "dbt leaves the same files on every server")
def test_a_failing_test_of_dbt_blocks_in_the_gate_with_its_rows(builder: Builder, tmp_path: Path) -> None:
    load(builder, tmp_path)
    builder.build(AS_OF, publish=False)
    connection, target = builder.connection, builder.settings.dbt_target
    since = connection.execute("select started_at from ops.current_build").fetchone()
    assert since

    builder.dbt("--full-refresh", "--select", "fct_active_users")
    assert dbt_test_results(connection, target, since[0]) == [], "a run without tests has no results"

    connection.execute("update build_marts.fct_active_users set dau = 99, wau = 0 where dau > 0")
    builder.dbt(command="test")
    results = {r.check_name: r for r in dbt_test_results(connection, target, since[0])}
    assert {name: (r.relation, r.dimension) for name, r in results.items()} == TESTS
    assert {name for name, r in results.items() if not r.passed} == {"assert_active_users_are_nested"}
    failed = results["assert_active_users_are_nested"]
    assert failed.rows_failed
    assert failed.severity == "blocking"
    assert failed.engine == "dbt"
    assert failed.examples[0]["dau"] == 99
    assert dbt_test_results(connection, target, datetime.now(UTC)) == [], "what an earlier build left is none of a later one"

    outcome = judge_build(builder.warehouse, lambda r: touched_query(current_build(connection), r), dbt_target=target)
    assert outcome.blocked
    assert "build_marts.fct_active_users: Who is active today is active this week" in outcome.reason
    assert f"({failed.rows_failed:,} rows do not)" in outcome.reason
    stored = connection.execute(
        "select engine, rows_failed from ops.quality_results where check_name = 'assert_active_users_are_nested'"
    ).fetchall()
    assert stored == [("dbt", failed.rows_failed)]


def test_the_suites_run_on_every_server(builder: Builder, tmp_path: Path) -> None:
    load(builder, tmp_path)
    builder.build(AS_OF)
    builder.build(AS_OF.replace(hour=18), publish=False)
    build = current_build(builder.connection)
    assert not build.is_full
    results = run_suites(builder.warehouse, "raw") + run_suites(builder.warehouse, "build", lambda r: touched_query(build, r))
    assert [(r.relation, r.check_name, r.details) for r in results if not r.passed] == []
    assert len(results) > 180
