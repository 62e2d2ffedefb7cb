"""Column lineage: what the SQL that dbt ran says, in a full and in an incremental build, in dbt docs and in `explain`."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analytics_pipeline.commands.explain import explained
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.events.source_fields import fields_in_use
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.modelling.columns import columns_of, parsed
from analytics_pipeline.modelling.docs import docs_inputs
from analytics_pipeline.modelling.docs_page import write_page
from analytics_pipeline.modelling.lineage import Columns, Key, lineage_of_models, model_lineage, origins, read_project
from analytics_pipeline.tracking_plan.rests_on import inputs_of_measure
from tests.conftest import PLAN, Builder, publish_text
from tests.property.test_build import FIRST, history
from tests.property.test_build import load as load_history
from tests.warehouse.test_audit_writers import entries
from tests.warehouse.test_ingest import event, load

pytestmark = pytest.mark.only_on("embedded", "what a query is made from does not depend on the server")
AS_OF = FIRST + timedelta(days=13)
SCHEMA = {("b", "days"): ["day", "starts_at"], ("b", "events"): ["id", "at", "amount"], ("b", "kept"): ["id", "at", "amount"]}
LATERAL = "select s.*, d.day from b.days as d cross join lateral ({}) as s"


def lineage(builder: Builder) -> dict[Key, Columns]:
    target = builder.settings.dbt_target
    return lineage_of_models(read_project(builder.connection, target / "manifest.json", target))


def raw_columns(lineage: dict[Key, Columns], table: str, column: str) -> set[str]:
    found = origins(lineage, ("build_marts" if table[:3] in {"fct", "dim"} else "build_kpi", table), column)
    return {name for key, name in found if key == ("raw", "events")}


@pytest.mark.parametrize(
    ("query", "column", "sources"),
    [
        ("select id, amount + 1 as more from b.events where at > now()", "more", {("events", "amount")}),
        (LATERAL.format("select * from b.events as e where e.at >= d.starts_at offset 0"), "amount", {("events", "amount")}),
        (LATERAL.format("select e.id, e.amount as n from b.events as e where e.at > d.starts_at order by e.at limit 1"), "n", {("events", "amount")}),
        (LATERAL.format("select id, amount from b.events union all select id, amount from b.kept as k where k.at > d.starts_at"), "amount", {("events", "amount"), ("kept", "amount")}),
        (LATERAL.format("values ('a', d.starts_at), ('b', null)").replace("as s", "as s (name, at)"), "at", {("days", "starts_at")}),
        ("select g.at from b.days as d cross join lateral generate_series(d.day, (select max(e.at) from b.events as e), '1 day') as g (at)", "at", {("days", "day"), ("events", "at")}),
        ('select "id" from "analytics"."b"."events"', "id", {("events", "id")}),
    ],
)  # fmt: skip
def test_a_column_is_followed_to_its_tables(query: str, column: str, sources: set[tuple[str, str]]) -> None:
    assert columns_of(parsed(query), SCHEMA)[column] == {(("b", table), name) for table, name in sources}


@pytest.fixture
def built(builder: Builder, tmp_path: Path) -> Builder:
    load_history(builder, tmp_path / "1.ndjson", history(random.Random(6), 60))
    builder.build(AS_OF)
    return builder


def test_every_path_from_a_kpi_ends_in_raw_events_after_a_full_and_after_an_incremental_build(
    built: Builder, tmp_path: Path
) -> None:
    target = built.settings.dbt_target
    for step in ("full", "incremental"):
        if step == "incremental":
            publish_text(built.connection, tmp_path, PLAN.replace("window: 2d", "window: 3d"))
            load_history(built, tmp_path / "2.ndjson", history(random.Random(7), 5))
            built.build(AS_OF + timedelta(hours=1))
        found = lineage(built)
        project = read_project(built.connection, target / "manifest.json", target)
        assert set(found) == set(project.files)
        assert {"amount", "event_id"} <= set(model_lineage(project, ("build_intermediate", "int_events"))), step
        assert {"value", "currency", "event_name", "user_id", "anonymous_id"} <= raw_columns(found, "kpi_values", "value"), step
        for table, column, expected in (
            ("fct_sessions", "is_bounce", {"event_name"}),
            ("fct_sessions", "value", {"event_name", "value", "currency"}),
            ("fct_sessions", "session_key", {"user_id", "anonymous_id", "session_id", "occurred_at", "event_id"}),
            ("fct_events", "amount", {"value", "currency"}),
        ):
            assert raw_columns(found, table, column) == expected, (step, table, column)
        changed = model_lineage(project, ("build_intermediate", "int_changed_events"))
        assert changed["value"] == [(("build_staging", "stg_raw__events"), "value")]


def test_what_a_kpi_rests_on_by_the_plan_is_part_of_what_the_sql_says(built: Builder) -> None:
    found = raw_columns(lineage(built), "kpi_values", "value") | {"occurred_at", "session_id"}
    with built.connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        plan = cursor.execute("select * from config.plan").fetchone() or {}
        for measure in cursor.execute("select * from config.measures").fetchall():
            assert set(inputs_of_measure(measure, plan).columns) <= found, measure["measure"]


def embedded(page: str) -> dict[str, Any]:
    """The manifest that the page carries."""
    start = page.index("manifest:{") + len("manifest:")
    return json.JSONDecoder().raw_decode(page, start)[0]


def test_dbt_docs_show_models_and_source_fields_of_a_column_and_what_kpis_rest_on(built: Builder) -> None:
    target = built.settings.dbt_target
    built.connection.execute("comment on table marts.fct_events is '</script>'")
    generate(built)
    page = write_page(built.connection, target).read_text()
    nodes = {(n["schema"], n.get("name")): n for n in embedded(page)["nodes"].values() if n["resource_type"] == "model"}
    values = nodes["build_kpi", "kpi_values"]
    text = values["columns"]["value"]["description"]
    assert "\n\nMade from: `int_period_measures.measure`, `int_period_measures.value`" in text
    assert {"`currency`", "`event_name`", "`value`"} <= set(text.partition("In raw.events: ")[2].split(", "))
    assert "\n| order_value | buy | currency, event_name, occurred_at, value |\n" in values["description"]
    raw = next(s for s in embedded(page)["sources"].values() if (s["schema"], s["identifier"]) == ("raw", "events"))
    assert raw["columns"]["value"]["description"].endswith("\n\nFrom source envelope, mapping envelope: `value`")
    assert raw["columns"]["properties"]["description"].endswith(": `properties`, `*`")
    assert page.count("INLINE DATA") == 0
    described = sum("Made from: " in c["description"] for n in nodes.values() for c in n["columns"].values())
    assert described > 300


def generate(builder: Builder) -> None:
    import os
    import subprocess

    from analytics_pipeline.modelling.dbt import dbt_environment, dbt_executable
    from analytics_pipeline.shipped import shipped

    environment = {**os.environ, **builder.warehouse.environment(), **dbt_environment(builder.settings)}
    command = [dbt_executable(), "docs", "generate", "--no-compile", "--project-dir", str(shipped("dbt_project")), "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_source_that_is_read_another_way_is_noted_and_makes_the_docs_due(planned: psycopg.Connection, tmp_path: Path) -> None:
    envelope = load_mapping("envelope")
    other = envelope.model_copy(update={"fields": {**envelope.fields, "value": envelope.fields["entity_id"]}})
    before = docs_inputs(planned)
    load(planned, tmp_path / "a.ndjson", event(1))
    first = docs_inputs(planned)
    load(planned, tmp_path / "b.ndjson", event(2))
    assert docs_inputs(planned) == first != before
    (tmp_path / "c.ndjson").write_text(json.dumps(event(3, entity_id="4")) + "\n")
    load_file(planned, tmp_path / "c.ndjson", other, "envelope")
    (found,) = fields_in_use(planned)
    assert (found.source, found.mapping, found.fields["value"]) == ("envelope", "envelope", ["entity_id"])
    assert docs_inputs(planned) not in {first, before}
    load(planned, tmp_path / "d.ndjson", event(4))
    assert docs_inputs(planned) == first
    noted = [(s, d["before"], d["after"]) for _, s, d in entries(planned, "use mapping")]
    old, new = envelope.sha256, other.sha256
    assert noted == [("envelope", None, old), ("envelope", old, new), ("envelope", new, old)]


@pytest.mark.parametrize(
    ("kpi", "lines"),
    [
        ("order_value", ["events buy", "raw.events.value < envelope: value; segment: properties.revenue, properties.total"]),
        ("bounce_rate", ["raw.events.session_id < envelope: session_id", "raw.events.user_id < envelope: user_id; segment: userId"]),
        ("mau", ["events all", "anonymous_id < envelope: anonymous_id; segment: anonymousId"]),
        ("plans", ["raw.events.properties.plan < envelope: properties.plan, plan; segment: properties.plan, plan"]),
    ],
)  # fmt: skip
def test_explain_goes_down_to_the_fields_of_each_source(
    connection: psycopg.Connection, tmp_path: Path, kpi: str, lines: list[str]
) -> None:
    text = PLAN.replace("  mau: {active_users: mau}", "  mau: {active_users: mau}\n  plans: {count_distinct: properties.plan}")
    publish_text(connection, tmp_path, text.replace("\nfunnels:", "\n  plans: {title: Plans, formula: plans}\nfunnels:"))
    assert "no source fills it" in explained(connection, kpi)
    load(connection, tmp_path / "a.ndjson", event(1))
    (tmp_path / "s.ndjson").write_text(json.dumps({"messageId": "1", "type": "page", "timestamp": FIRST.isoformat()}) + "\n")
    load_file(connection, tmp_path / "s.ndjson", load_mapping("segment"), "segment")
    said = " ".join(explained(connection, kpi).split())
    assert all(line in said for line in lines), said


def test_the_command_explain_reads_it_all(built: Builder, run_cli: Callable[..., Any], tmp_path: Path) -> None:
    done = run_cli(tmp_path / "home", "explain", "revenue", ANALYTICS_DATABASE_URL=built.warehouse.url)
    assert "raw.events.currency < envelope: currency" in " ".join(done.stdout.split()), done.stdout + done.stderr
