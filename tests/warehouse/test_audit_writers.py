"""Who writes into the audit log, in the transaction of the change, and what a person sees of it."""

import json
import random
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analytics_pipeline.commands.doctor import _audit
from analytics_pipeline.errors import PlanError, UsageError
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.replay import replay
from analytics_pipeline.ingest.revoke import revoke
from analytics_pipeline.lifecycle.storage import apply_policies, policies, read_storage
from analytics_pipeline.modelling.backfill import note_days, spans
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.modelling.publish import publish_build
from analytics_pipeline.tracking_plan.compile import compile_plan
from analytics_pipeline.tracking_plan.publish import publish_plan
from analytics_pipeline.tracking_plan.read import plan_path, read_plan
from analytics_pipeline.warehouse.audit import record, verify
from analytics_pipeline.warehouse.connection import Warehouse, capabilities
from tests.conftest import PLAN, Builder, publish_text
from tests.property.test_build import FIRST, history
from tests.property.test_build import load as load_history
from tests.warehouse.test_ingest import event, load

Entry = tuple[str, str, dict[str, Any]]


def entries(connection: psycopg.Connection, action: str) -> list[Entry]:
    query = "select actor, subject, details from ops.audit_log where action = %s order by entry_id"
    return connection.execute(query, (action,)).fetchall()


def changes(entry: Entry) -> dict[tuple[str, str], tuple[str, str | None, str | None]]:
    return {(d["kind"], d["name"]): (d["change"], d["before"], d["after"]) for d in entry[2]["definitions"]}


def hash_of(connection: psycopg.Connection, table: str, key: str, name: str) -> str:
    query = f"select definition_hash from config.{table} where {key} = %s"
    return connection.execute(query, (name,)).fetchone()[0]  # type: ignore[index]


def test_the_first_plan_is_noted_with_all_its_definitions(planned: psycopg.Connection) -> None:
    (entry,) = entries(planned, "publish plan")
    found = changes(entry)
    assert entry[1] == "small"
    assert entry[2]["plan_hash"]["before"] is None
    assert (entry[2]["plan_hash"]["after"],) == planned.execute("select plan_hash from config.plan").fetchone()
    assert found["kpis", "order_value"] == ("added", None, hash_of(planned, "kpis", "kpi_name", "order_value"))
    assert {change for change, *_ in found.values()} == {"added"}
    assert {("events", "ping"), ("funnels", "purchase"), ("measures", "mau"), ("retentions", "daily")} <= found.keys()


def test_a_changed_definition_is_noted_with_its_old_and_new_hash_and_nothing_else_is(
    planned: psycopg.Connection, tmp_path: Path
) -> None:
    old = {name: hash_of(planned, "kpis", "kpi_name", name) for name in ("orders", "order_value")}
    publish_text(
        planned, tmp_path, PLAN.replace("orders: {count: events, where: event_name = 'buy'}", "orders: {count: persons}")
    )
    new = {name: hash_of(planned, "kpis", "kpi_name", name) for name in ("orders", "order_value")}
    entry = entries(planned, "publish plan")[-1]
    found = changes(entry)
    assert found.keys() == {("measures", "orders"), ("kpis", "orders"), ("kpis", "order_value")}
    for name in old:
        assert found["kpis", name] == ("redefined", old[name], new[name])
    assert {"kpis", "measures"} <= set(entry[2]["parts"])
    assert "funnels" not in entry[2]["parts"]


def test_a_new_title_a_threshold_and_a_setting_are_noted_too(planned: psycopg.Connection, tmp_path: Path) -> None:
    text = PLAN.replace("{title: Revenue,", "{title: Turnover, target: 100,").replace("Europe/Berlin", "UTC", 1)
    publish_text(planned, tmp_path, text)
    found = changes(entries(planned, "publish plan")[-1])
    assert found["setting", "timezone"][0] == '"Europe/Berlin" becomes "UTC"'
    publish_text(planned, tmp_path, text.replace("Turnover", "Revenue"))
    ((key, (change, before, after)),) = changes(entries(planned, "publish plan")[-1]).items()
    assert (key, change) == (("kpis", "revenue"), "described anew")
    assert before != after


def test_a_rule_is_noted_by_its_name_and_owners_without_their_addresses(planned: psycopg.Connection, tmp_path: Path) -> None:
    rule = "rules:\n  positive: {description: Above zero., holds: value > 0, event: buy}\n"
    owners = "alerts: {owner: anna, owners: {anna: [anna@example.com]}}\n"
    publish_text(planned, tmp_path, PLAN + rule + owners)
    entry = entries(planned, "publish plan")[-1]
    assert changes(entry).keys() == {("rules", "positive"), ("setting", "alerts")}
    assert changes(entry)["setting", "alerts"][0] == "changed"
    publish_text(planned, tmp_path, PLAN + rule.replace("> 0", "> 1") + owners.replace("anna@", "ann@"))
    entry = entries(planned, "publish plan")[-1]
    assert changes(entry).keys() == {("rules", "positive"), ("setting", "alerts")}
    assert "@" not in json.dumps(entry[2])


@pytest.mark.parametrize("name", ["ecommerce", "ride_hailing", "rental", "appointments", "ai_platform"])
def test_a_plan_that_is_read_back_from_the_warehouse_is_the_same_but_for_what_was_changed(
    connection: psycopg.Connection, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "plan.yml"
    text = plan_path(name).read_text()
    path.write_text(text)
    publish_plan(connection, compile_plan(read_plan(path), path))
    path.write_text(text + "\n# again\n")
    assert not publish_plan(connection, compile_plan(read_plan(path), path))
    path.write_text(text.replace("\ntitle: ", "\ntitle: New ", 1))
    assert publish_plan(connection, compile_plan(read_plan(path), path))
    first, second = entries(connection, "publish plan")
    assert len(changes(first)) > 20
    assert list(changes(second)) == [("setting", "title")]


def test_a_plan_that_is_refused_or_in_force_already_leaves_no_entry(planned: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(planned, tmp_path)
    with pytest.raises(PlanError):
        publish_text(
            planned, tmp_path, PLAN.replace("{count: events, where: event_name = 'buy'}", "{count: events, where: country > 3}")
        )
    assert len(entries(planned, "publish plan")) == 1
    assert verify(planned).fault == ""


@pytest.mark.only_on("embedded", "what is noted does not depend on the server, and dbt takes long on the other one")
def test_a_published_build_says_what_was_computed_again_and_why(builder: Builder, tmp_path: Path) -> None:
    as_of = FIRST + timedelta(days=13)
    load_history(builder, tmp_path / "1.ndjson", history(random.Random(4), 60))
    rows = builder.build(as_of)
    _, subject, details = entries(builder.connection, "publish build")[-1]
    assert (subject,) == builder.connection.execute("select build_id::text from ops.published_build").fetchone()
    assert (details["kind"], details["days"], details["models_for_all_of_history"]) == ("full", "all", "all")
    assert details["rows"] == rows
    assert details["changes"].keys() == {"ingest"}
    note_days(builder.connection, [date(2026, 3, 24)])
    publish_text(builder.connection, tmp_path, PLAN.replace("window: 2d", "window: 3d"))
    rows = builder.build(as_of + timedelta(hours=1))
    _, _, details = entries(builder.connection, "publish build")[-1]
    assert details["kind"] == "incremental"
    assert details["changes"] == {"backfill": 1, "plan": 1}
    assert details["days"]["first"] == "2026-03-24"
    assert 1 <= details["days"]["count"] <= 31
    assert {"fct_funnel", "fct_funnel_attempts"} <= set(details["models_for_all_of_history"])
    assert "int_events" not in details["models_for_all_of_history"]
    assert (details["rows"], details["as_of"]) == (rows, (as_of + timedelta(hours=1)).isoformat())
    assert verify(builder.connection).fault == ""


def test_a_build_that_is_not_published_leaves_no_entry(builder: Builder) -> None:
    build = begin_build(builder.connection, FIRST)
    with pytest.raises(psycopg.errors.InvalidSchemaName):
        publish_build(builder.connection, build)
    assert entries(builder.connection, "publish build") == []


def test_a_backfill_is_noted_with_its_days(planned: psycopg.Connection) -> None:
    days = [date(2026, 3, 1), date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 5)]
    note_days(planned, days)
    assert planned.execute("select count(*) from ops.changes where cause = 'backfill'").fetchone() == (4,)
    ((_, _, details),) = entries(planned, "backfill")
    assert details == {"count": 4, "days": [["2026-02-27", "2026-03-01"], ["2026-03-05", "2026-03-05"]]}
    assert spans([]) == []


def test_a_revoked_load_and_a_replay_are_noted(planned: psycopg.Connection, tmp_path: Path) -> None:
    batch = load(planned, tmp_path / "a.ndjson", event(1), event(2, value="much"), event(3, value="more"))
    mended = load_mapping("envelope").model_copy(
        update={"fields": {**load_mapping("envelope").fields, "value": load_mapping("envelope").fields["entity_id"]}}
    )
    (replayed,) = replay(planned, mended, "envelope")
    ((_, subject, details),) = entries(planned, "replay")
    assert subject == str(batch.batch_id)
    assert {k: details[k] for k in ("source", "read", "accepted", "mapping_sha256")} == {
        "source": "envelope", "read": 2, "accepted": 2, "mapping_sha256": mended.sha256,
    }  # fmt: skip
    revoke(planned, str(batch.batch_id))
    ((_, subject, details),) = entries(planned, "revoke")
    assert (subject, details["events"], details["replays"]) == (str(batch.batch_id), 3, [str(replayed.batch_id)])
    with pytest.raises(UsageError):
        revoke(planned, str(batch.batch_id))
    assert len(entries(planned, "revoke")) == 1


def test_a_storage_policy_is_noted_when_it_comes_changes_or_goes(planned: psycopg.Connection, tmp_path: Path) -> None:
    def apply() -> dict[str, tuple[str | None, str | None]]:
        before = len(entries(planned, "set storage policy"))
        can = capabilities(planned)
        apply_policies(
            planned, can, policies(planned, can, read_storage(planned, 30), datetime(2026, 3, 1, tzinfo=UTC), "s3://x")
        )
        return {d["policy"]: (d["before"], d["after"]) for _, _, d in entries(planned, "set storage policy")[before:]}

    publish_text(planned, tmp_path, PLAN.replace("  ping: {activity: false}", "  ping: {activity: false, keep: 7d}"))
    first = apply()
    assert first["keep ping"] == (None, "7 days")
    assert apply() == {}
    publish_text(planned, tmp_path, PLAN.replace("  ping: {activity: false}", "  ping: {activity: false, keep: 9d}"))
    assert apply() == {"keep ping": ("7 days", "9 days")}
    publish_text(planned, tmp_path)
    assert apply() == {"keep ping": ("9 days", None)}
    stored = planned.execute("select policy, setting from ops.policies where ran_at is not null").fetchall()
    assert dict(stored) == {policy: now for policy, (_, now) in first.items() if policy != "keep ping"}


def test_doctor_names_the_newest_hash_and_what_is_broken(planned: psycopg.Connection) -> None:
    kept = verify(planned).newest_hash
    finding = _audit(planned, kept)
    assert kept in finding.state
    assert finding.remedy == ""
    record(planned, "write", "x", {})
    assert _audit(planned, kept).remedy == ""
    assert "no entry has the hash" in _audit(planned, "f" * 64).state
    planned.execute("alter table ops.audit_log disable trigger user")
    planned.execute("update ops.audit_log set actor = 'nobody' where entry_id = 1")
    broken = _audit(planned, None)
    assert "entry 1 was changed" in broken.state
    assert broken.remedy


@pytest.mark.only_on("embedded", "the command line is the same for every server")
def test_the_command_lists_entries_and_doctor_fails_on_a_hash_that_is_gone(
    planned: psycopg.Connection,
    warehouse: Warehouse,
    tmp_path: Path,
    run_cli: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    def cli(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_cli(tmp_path / "home", *arguments, ANALYTICS_DATABASE_URL=warehouse.url, ANALYTICS_ACTOR="bob")

    plan = tmp_path / "changed.yml"
    plan.write_text(PLAN.replace("window: 2d", "window: 3d"))
    assert cli("plan", "publish", str(plan)).returncode == 0
    listed = cli("audit", "list", "--format", "json", "--subject", "small")
    first, second = json.loads(listed.stdout)
    assert [d["name"] for d in second["details"]["definitions"]] == ["purchase"]
    assert second["actor"] == "bob as postgres"
    assert len(first["details"]["definitions"]) > 10
    table = cli("audit", "list").stdout
    assert "publish plan" in table
    assert max(map(len, table.splitlines())) < 240
    assert cli("audit", "list", "--since", "2200-01-01", "--format", "csv").stdout.splitlines() == [
        "entry_id,at,actor,action,subject,details"
    ]
    kept = verify(planned).newest_hash
    sound, gone = cli("doctor", "--audit-hash", kept), cli("doctor", "--audit-hash", "0" * 63 + "1")
    assert f"keep elsewhere the newest hash {kept}" in sound.stdout
    assert "✗ audit log" in gone.stdout
    assert gone.returncode == 1
    part = cli("doctor", "--audit-hash", kept[:12])
    assert part.returncode == 2
    assert "64 characters" in part.stderr
