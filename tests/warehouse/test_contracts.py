"""Contracts in the warehouse: what is refused and what is counted, against a reader of one event after the other."""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_pipeline.commands.quarantine import listing
from analytics_pipeline.events.contracts import PropertyRule
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.replay import replay
from analytics_pipeline.ingest.revoke import revoke
from analytics_pipeline.quality.contract import shapes as limits
from analytics_pipeline.quality.contracts import Violation, count_violations, days_to_count
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.partitions import Partitions, week_of
from tests.conftest import PLAN, publish_text
from tests.unit.test_contracts import documents, naive, rules
from tests.warehouse.test_revoke_and_replay import books_are_even

ENVELOPE = load_mapping("envelope")
ZONE = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 3, 28, 10, tzinfo=UTC)
DAY = date(2026, 3, 28)
STRICT = """
  order:
    contract: strict
    properties:
      items: {type: number, required: true}
      method: {values: [card, transfer]}
      email: {personal: true, values: [none]}
  note: {properties: {text: {}}}
"""


def plan_with(events: str, **head: Any) -> str:
    plan = PLAN.replace("  ping: {activity: false}\n", "  ping: {activity: false}\n" + events.removeprefix("\n"))
    return plan + "".join(f"{key}: {json.dumps(value)}\n" for key, value in head.items())


def event(number: int, event_name: str = "order", version: str | None = "1.0", **properties: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid.UUID(int=number)),
        "event_name": event_name,
        "occurred_at": (AT + timedelta(minutes=number)).isoformat(),
        "user_id": f"u{number}",
        "app_version": version,
        "properties": properties,
    }


def load(connection: psycopg.Connection, path: Path, *events: dict[str, Any]) -> Batch:
    if events:
        path.write_text("\n".join(json.dumps(e) for e in events) + "\n")
    return load_file(connection, path, ENVELOPE, "envelope")


def store(connection: psycopg.Connection, events: Sequence[tuple[str, datetime, str | None, dict[str, Any]]]) -> None:
    """Straight into raw.events: what is there already when somebody writes a plan."""
    Partitions(connection).ensure({week_of(at) for _, at, _, _ in events})
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into raw.events (event_id, event_name, occurred_at, received_at, source, app_version, properties, batch_id)
            values (gen_random_uuid(), %s, %s, now(), 'test', %s, %s, gen_random_uuid())
            """,
            [(name, at, version, json.dumps(properties)) for name, at, version, properties in events],
        )


def faults(violations: list[Violation]) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    return {(v.event_name, v.property, v.violation, v.app_version): (v.events, v.of) for v in violations}


# Strict, at ingest ------------------------------------------------------------------------------------------------------


def test_a_strict_event_that_breaks_the_plan_is_in_quarantine_and_the_books_stay_even(
    connection: psycopg.Connection, tmp_path: Path
) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    batch = load(
        connection,
        tmp_path / "a.ndjson",
        event(1, items=2, method="card"),
        event(2, items="2"),
        event(3, method="cash", email="anna@example.org", items=1),
        event(4, "note", text=5, more=1),
        event(5, "unheard_of", x=1),
    )
    assert (batch.read, batch.accepted, batch.quarantined) == (5, 3, 2)
    assert books_are_even(connection)
    rows = connection.execute(
        "select line_number, reason_code, reason, event_name, app_version, occurred_at from raw.quarantine order by 1"
    ).fetchall()
    said = "the event breaks its contract in the tracking plan: order: "
    assert rows == [
        (2, "contract", said + 'items is "2", and must be a number', "order", "1.0", AT + timedelta(minutes=2)),
        (
            3,
            "contract",
            said + 'method is "cash", and must be one of card, transfer; email is ***, and must be one of none',
            "order",
            "1.0",
            AT + timedelta(minutes=3),
        ),
    ]


def test_after_a_fix_of_the_plan_a_replay_loads_what_keeps_it_now(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    batch = load(connection, tmp_path / "a.ndjson", event(1, items=1, method="cash"), event(2, items="two"))
    assert batch.quarantined == 2
    publish_text(connection, tmp_path, plan_with(STRICT.replace("[card, transfer]", "[card, transfer, cash]")))
    (again,) = replay(connection, ENVELOPE, "envelope", "contract")
    assert (again.read, again.accepted) == (1, 1)
    assert connection.execute("select line_number from raw.quarantine where resolved_at is null").fetchall() == [(2,)]
    assert books_are_even(connection)
    assert {(f[1], f[5]) for f in drift_faults(connection)} == {("items", 1)}


def test_events_that_the_plan_does_not_know_go_to_quarantine_where_the_plan_says_so(
    connection: psycopg.Connection, tmp_path: Path
) -> None:
    publish_text(connection, tmp_path, plan_with("", unknown_events="quarantine"))
    batch = load(connection, tmp_path / "a.ndjson", event(1, "view"), event(2, "veiw"))
    assert (batch.accepted, batch.quarantined) == (1, 1)
    reasons = connection.execute("select reason from raw.quarantine").fetchall()
    assert reasons == [("the event breaks its contract in the tracking plan: the plan has no event 'veiw'",)]
    publish_text(connection, tmp_path, plan_with(""))
    assert replay(connection, ENVELOPE, "envelope")[0].accepted == 1


def test_a_property_that_any_event_may_carry_breaks_no_contract(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT, properties={"internal": {"type": "boolean"}}))
    batch = load(connection, tmp_path / "a.ndjson", event(1, items=1, internal=True), event(2, items=1, internal="yes"))
    assert (batch.accepted, batch.quarantined) == (1, 1)


@pytest.mark.only_on("embedded", "the listing opens a warehouse of its own; its query is about a plain table")
def test_the_listing_masks_what_the_plan_calls_personal(
    connection: psycopg.Connection, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_text(connection, tmp_path, plan_with("\n  order: {contract: strict, properties: {nickname: {personal: true}}}\n"))
    load(connection, tmp_path / "a.ndjson", event(1, nickname="Anna", size=1))
    monkeypatch.setenv("ANALYTICS_DATABASE_URL", warehouse.url)
    shown = listing(Settings(home=tmp_path, database_url=warehouse.url))
    assert "order: size is not in the plan (number 9)" in shown
    assert "Anna" not in shown


# Lenient, counted -------------------------------------------------------------------------------------------------------


@pytest.mark.only_on("embedded", "many small plans; what is counted on TimescaleDB is compared by the other tests")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.dictionaries(st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from(["a", "b", "c.d", "é ü", 'q"uote']), rules, max_size=4)),
    events=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "new"]),
            st.integers(-36, 60).map(lambda hours: AT + timedelta(hours=hours)),
            st.sampled_from(["1.0", "1.1", None]),
            documents.map(dict).map(lambda d: {k: v for k, v in d.items() if k}),
        ),
        max_size=25,
    ),
)  # fmt: skip
def test_what_is_counted_is_what_a_naive_reader_counts(
    connection: psycopg.Connection,
    tmp_path: Path,
    plan: dict[str, dict[str, PropertyRule]],
    events: list[tuple[str, datetime, str | None, dict[str, Any]]],
) -> None:
    document = yaml.safe_load(PLAN)
    document["events"] = {name: {"properties": {p: described(rule) for p, rule in of.items()}} for name, of in plan.items()}
    (tmp_path / "p").mkdir(exist_ok=True)
    publish_text(connection, tmp_path / "p", yaml.safe_dump(document, allow_unicode=True))
    connection.execute("truncate raw.events")
    connection.execute("truncate ops.contract_days cascade")
    store(connection, events)
    days = [DAY, DAY + timedelta(days=1)]
    expected: Counter[tuple[str, str, str, str]] = Counter()
    times: defaultdict[tuple[str, str, str, str], list[datetime]] = defaultdict(list)
    of: Counter[tuple[str, str]] = Counter()
    for name, at, version, properties in events:
        if at.astimezone(ZONE).date() not in days:
            continue
        of[(name, version or "(none)")] += 1
        wrong = naive(list(properties.items()), plan[name]) if name in plan else {("", "unknown_event")}
        for key, violation in wrong:
            what = (name, key, violation, version or "(none)")
            expected[what] += 1
            times[what].append(at)
    found = count_violations(connection, days)
    assert faults(found) == {what: (count, of[(what[0], what[3])]) for what, count in expected.items()}
    for v in found:
        seen = times[(v.event_name, v.property, v.violation, v.app_version)]
        assert (v.first_seen, v.last_seen) == (min(seen), max(seen))
        assert (v.example is not None) == (v.violation not in ("missing", "unknown_event")), v
    stored = connection.execute(
        "select event_name, property, violation, app_version, sum(events)::int from ops.contract_violations group by 1, 2, 3, 4"
    ).fetchall()
    assert {tuple(row[:4]): row[4] for row in stored} == dict(expected)


def described(rule: PropertyRule) -> dict[str, Any]:
    values = {"values": sorted(rule.values)} if rule.values else {}
    return {"type": rule.type, "required": rule.is_required, **values}


def test_days_are_local_ones_and_are_counted_anew(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    midnight = datetime(2026, 3, 29, tzinfo=ZONE)
    store(connection, [("note", midnight - timedelta(seconds=1), None, {"x": 1}), ("note", midnight, None, {"x": 1})])
    last = datetime(2026, 3, 29, 23, 59, 59, tzinfo=ZONE)  # of a day of 23 hours
    store(connection, [("note", last, None, {"x": "Anna Arendt"})])
    both = count_violations(connection, [DAY + timedelta(days=1), DAY, DAY])
    assert faults(both) == {("note", "x", "unknown_property", "(none)"): (3, 3)}
    (sunday,) = count_violations(connection, [DAY + timedelta(days=1)])
    assert (sunday.events, sunday.first_seen, sunday.last_seen) == (2, midnight, last)
    assert sunday.example == "number 9"
    by_day = "select day, events from ops.contract_violations order by day"
    assert connection.execute(by_day).fetchall() == [(DAY, 1), (DAY + timedelta(days=1), 2)]
    connection.execute("delete from raw.events where occurred_at >= %s", (midnight,))
    assert count_violations(connection, [DAY + timedelta(days=1)]) == []
    assert connection.execute(by_day).fetchall() == [(DAY, 1)]
    assert connection.execute("select day, events from ops.contract_days order by day").fetchall() == [
        (DAY, 1),
        (DAY + timedelta(days=1), 0),
    ]


def test_days_far_apart_are_counted_without_those_between(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    store(connection, [("new", AT + timedelta(days=n), None, {}) for n in (0, 3, 40)])
    found = count_violations(connection, [DAY, DAY + timedelta(days=40)])
    assert faults(found) == {("new", "", "unknown_event", "(none)"): (2, 2)}


def test_examples_of_personal_and_of_undeclared_properties_are_masked(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(
        connection,
        tmp_path,
        plan_with("\n  order: {properties: {nickname: {personal: true, type: number}, size: {type: number}}}\n"),
    )
    odd = {"nickname": "Anna", "surname": "Arendt", "size": "anna@example.org", "to:anna@example.org": 1}
    store(connection, [("order", AT, None, odd)])
    count_violations(connection, [DAY])
    found = connection.execute("select property, example from ops.contract_violations order by 1").fetchall()
    assert found == [("nickname", "***"), ("size", '"***"'), ("surname", 'text "xxxxxx"'), ("to:***", None)]


def test_values_that_stand_where_names_should_are_kept_together(
    connection: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    monkeypatch.setattr(limits, "MOST_UNKNOWN_PROPERTIES", 2)
    monkeypatch.setattr(limits, "MOST_UNKNOWN_EVENTS", 1)
    monkeypatch.setattr(limits, "MOST_VERSIONS", 1)
    odd = {"k" * 5000: 1, "": 2, "z": 1, "y": 1}
    store(connection, [("note", AT, "1", odd), ("note", AT, "1", {"k" * 5000: 1, "z": 1}), ("note", AT, "2", {})])
    store(connection, [("p/1", AT, "1", {}), ("p/1", AT, "1", {}), ("p/2", AT, "1", {}), ("p/3", AT, "1", {})])
    found = faults(count_violations(connection, [DAY]))
    assert found == {
        ("note", "k" * 200, "unknown_property", "1"): (2, 2),
        ("note", "z", "unknown_property", "1"): (2, 2),
        ("note", "(other)", "unknown_property", "1"): (2, 2),
        ("p/1", "", "unknown_event", "1"): (2, 2),
        ("(other)", "", "unknown_event", "1"): (2, 2),
    }
    versions = connection.execute("select app_version, sum(events)::int from ops.contract_seen where property = '' group by 1")
    assert dict(versions.fetchall()) == {"1": 6, "(other)": 1}


def test_what_has_left_the_warehouse_keeps_its_count(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    store(connection, [("note", AT, None, {"x": 1}), ("new", AT, None, {}), ("note", AT + timedelta(days=1), None, {"x": 1})])
    days = [DAY, DAY + timedelta(days=1)]
    count_violations(connection, days)
    connection.execute("delete from raw.events where event_name = 'note' and occurred_at = %s", (AT,))
    connection.execute(
        "insert into ops.horizons (event_name, before) values ('note', %s)", (datetime(2026, 3, 29, tzinfo=ZONE),)
    )
    store(connection, [("new", AT, None, {})])
    count_violations(connection, days)
    kept = "select day, event_name, events from ops.contract_violations order by 1, 2"
    assert connection.execute(kept).fetchall() == [(DAY, "new", 2), (DAY, "note", 1), (days[1], "note", 1)]
    connection.execute("truncate raw.events")
    connection.execute("insert into ops.horizons (event_name, before) values ('', %s)", (datetime(2026, 3, 30, tzinfo=ZONE),))
    assert count_violations(connection, days) == []
    assert len(connection.execute(kept).fetchall()) == 3


def test_a_change_of_the_plan_makes_the_last_days_due_again(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    days = [DAY - timedelta(days=n) for n in (40, 27, 0)]
    count_violations(connection, days)
    assert days_to_count(connection, [DAY]) == [DAY]
    publish_text(connection, tmp_path, plan_with(STRICT).replace("title: Small", "title: Large"))
    assert days_to_count(connection, []) == []
    publish_text(connection, tmp_path, plan_with(STRICT.replace("text: {}", "text: {required: true}")))
    assert days_to_count(connection, [DAY + timedelta(days=1)]) == [DAY - timedelta(days=27), DAY, DAY + timedelta(days=1)]


# Both beside the plan ---------------------------------------------------------------------------------------------------


def drift_faults(connection: psycopg.Connection) -> list[Any]:
    return connection.execute(
        "select event_name, property, violation, app_version, flagged, quarantined from ops.contract_faults order by 1, 2, 3, 4"
    ).fetchall()


def states(connection: psycopg.Connection) -> dict[tuple[str, str], str]:
    rows = connection.execute("select event_name, property, state from ops.contract_drift").fetchall()
    assert len(rows) == len({row[:2] for row in rows}), "one row for each event and property"
    return {(name, property_): state for name, property_, state in rows}


def test_drift_shows_the_plan_beside_reality(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(
        connection, tmp_path, plan_with(STRICT, properties={"internal": {"type": "boolean"}, "beta": {"type": "boolean"}})
    )
    load(
        connection,
        tmp_path / "a.ndjson",
        event(1, items=1, method="card"),
        event(2, version="1.1", items="1"),
        event(3, version="1.1", items=1, colour="red"),
        event(4, "note", text="x", internal=True),
        event(5, "note", version="1.1", text=5, more="x"),
        event(6, "veiw"),
    )
    store(connection, [("ping", AT - timedelta(days=60), "0.9", {})])
    count_violations(connection, [DAY, DAY - timedelta(days=60)])
    assert states(connection) == {
        ("", "beta"): "never came",
        ("buy", ""): "never came",
        ("note", ""): "as planned",
        ("note", "internal"): "as planned",
        ("note", "more"): "not in the plan",
        ("note", "text"): "breaks the plan",
        ("order", ""): "as planned",
        ("order", "colour"): "not in the plan",
        ("order", "email"): "never came",
        ("order", "items"): "breaks the plan",
        ("order", "method"): "as planned",
        ("ping", ""): "no longer comes",
        ("veiw", ""): "not in the plan",
        ("view", ""): "never came",
    }
    assert drift_faults(connection) == [
        ("note", "more", "unknown_property", "1.1", 1, 0),
        ("note", "text", "wrong_type", "1.1", 1, 0),
        ("order", "colour", "unknown_property", "1.1", 0, 1),
        ("order", "items", "wrong_type", "1.1", 0, 1),
        ("veiw", "", "unknown_event", "1.0", 1, 0),
    ]
    rows = connection.execute(
        """
        select event_name, property, events, share, versions, flagged, quarantined, first_day, last_day from ops.contract_drift
        where (event_name, property) in (('order', ''), ('order', 'items'), ('note', 'text'), ('note', ''), ('ping', ''))
        order by 1, 2
        """
    ).fetchall()
    assert rows == [
        ("note", "", 2, 0.5, ["1.0", "1.1"], 0, 0, DAY, DAY),
        ("note", "text", 2, 1.0, ["1.0", "1.1"], 1, 0, DAY, DAY),
        ("order", "", 1, 0.25, ["1.0"], 0, 2, DAY, DAY),
        ("order", "items", 1, 1.0, ["1.0", "1.1"], 0, 1, DAY, DAY),
        ("ping", "", 0, 0.0, [], 0, 0, DAY - timedelta(days=60), DAY - timedelta(days=60)),
    ]


def test_what_a_later_plan_allows_is_no_fault_any_more(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    load(connection, tmp_path / "a.ndjson", event(1, "note", more=1), event(2, "veiw"), event(3, items=1, colour="red"))
    count_violations(connection, [DAY])
    assert len(drift_faults(connection)) == 3
    more = STRICT.replace("{text: {}}", "{text: {}, more: {type: number}}").replace("items:", "colour: {}\n      items:")
    publish_text(connection, tmp_path, plan_with(more + "  veiw: {}\n"))
    assert drift_faults(connection) == []


def test_a_revoked_load_takes_its_quarantine_out_of_the_drift(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    batch = load(connection, tmp_path / "a.ndjson", event(1, items="1"))
    assert len(drift_faults(connection)) == 1
    revoke(connection, str(batch.batch_id))
    assert drift_faults(connection) == []


def test_nothing_is_counted_before_the_first_plan(connection: psycopg.Connection) -> None:
    assert count_violations(connection, [DAY]) == []
    assert days_to_count(connection, [DAY]) == []
    assert connection.execute("select * from ops.contract_drift").fetchall() == []
