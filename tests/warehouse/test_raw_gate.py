"""The raw gate on real servers: what it holds, what it releases, who is told, and what a build may read then."""

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.revoke import revoke
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.quality.acceptance import accept
from analytics_pipeline.quality.passes import GateOutcome
from analytics_pipeline.quality.raw_gate import judge_raw
from analytics_pipeline.warehouse.connection import Warehouse
from tests.conftest import PLAN, publish_text

ZONE = ZoneInfo("Europe/Berlin")
FIRST = date(2026, 3, 1)
EMBEDDED = pytest.mark.only_on("embedded", "the same statements as in the tests beside it, which run on both")
DAYS = 21
Event = dict[str, Any]
RULES = """
rules:
  order_once: {description: An order is paid once, event: buy, unique: properties.order}
  prices: {description: An order costs something, event: buy, holds: value > 0}
  view_of_buyer: {description: Who buys has looked, event: buy, value: user_id, among: {event: view, value: user_id}}
"""


def day_of(index: int) -> list[Event]:
    """Some 120 persons who look and sometimes buy, in the daytime of Berlin."""
    rng, day = random.Random(f"day {index}"), FIRST + timedelta(days=index)
    events: list[Event] = []
    for visit in range(120 + rng.randrange(-8, 9)):
        at = datetime(day.year, day.month, day.day, 8, tzinfo=ZONE) + timedelta(seconds=rng.uniform(0, 12 * 3600))
        person, country = f"user-{rng.randrange(900):04d}", rng.choices(["DE", "AT", "CH"], [6, 2, 2])[0]
        for _ in range(1 + rng.randrange(3)):
            at += timedelta(seconds=rng.uniform(5, 90))
            events.append(_event(rng, "view", at, person, country, {"page": f"/{rng.randrange(5)}"}))
        if rng.random() < 0.3:
            events.append({
                **_event(rng, "buy", at + timedelta(seconds=30), person, country, {"order": f"order-{index}-{visit}"}),
                "value": round(40 * rng.lognormvariate(0, 0.4), 2), "currency": "EUR",
            })  # fmt: skip
    return events


def _event(rng: random.Random, name: str, at: datetime, person: str, country: str, properties: dict[str, str]) -> Event:
    return {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "event_name": name,
        "occurred_at": at.astimezone(UTC).isoformat(), "received_at": (at + timedelta(seconds=2)).astimezone(UTC).isoformat(),
        "user_id": person, "country": country, "platform": "web", "properties": properties,
    }  # fmt: skip


class Product:
    """A product with three weeks of published history."""

    def __init__(self, warehouse: Warehouse, connection: psycopg.Connection, folder: Path) -> None:
        self.warehouse, self.connection, self.folder = warehouse, connection, folder
        publish_text(connection, folder, PLAN + RULES)
        self.load([e for i in range(DAYS) for e in day_of(i)])
        self.first = self.judge(DAYS)
        self.publish(DAYS)

    def load(self, events: list[Event]) -> str:
        path = self.folder / f"{uuid.uuid4()}.ndjson"
        path.write_text("".join(json.dumps(e) + "\n" for e in events))
        batch = load_file(self.connection, path, load_mapping("envelope"), "shop")
        assert batch.outcome == "loaded", batch
        return str(batch.batch_id)

    def as_of(self, index: int) -> datetime:
        """Early in the morning of a day of the history."""
        day = FIRST + timedelta(days=index)
        return datetime(day.year, day.month, day.day, 5, 15, tzinfo=ZONE)

    def judge(self, index: int) -> GateOutcome:
        return judge_raw(self.warehouse, self.as_of(index))

    def publish(self, index: int) -> None:
        self.connection.execute(
            """
            insert into ops.builds (build_id, status, as_of, is_full, plan_hash, code_hash, finished_at)
            values (%s, 'published', %s, true, '', '', clock_timestamp())
            """,
            (uuid.uuid4(), self.as_of(index)),
        )

    def statuses(self) -> dict[str, str]:
        rows = self.connection.execute(
            "select batch_id::text, gate_status from raw.ingest_batches where status = 'loaded'"
        ).fetchall()
        return dict(rows)

    def seen_by_a_build(self, index: int) -> int:
        """Events that the staging model lets through."""
        begin_build(self.connection, self.as_of(index))
        row = self.connection.execute(
            """
            select count(*) from raw.events
            where occurred_at <= (select as_of from ops.current_build)
            and batch_id not in (select batch_id from ops.hidden_batches)
            """
        ).fetchone()
        self.connection.execute("delete from ops.builds where status = 'building'")
        return int(row[0]) if row else 0


@pytest.fixture
def product(warehouse: Warehouse, connection: psycopg.Connection, tmp_path: Path) -> Product:
    return Product(warehouse, connection, tmp_path)


def failed(outcome: GateOutcome) -> set[str]:
    return {r.check_name for r in outcome.results if r.blocks}


def words(outcome: GateOutcome) -> list[str]:
    return [line for r in outcome.results if not r.passed for line in r.details["found"]]


def test_clean_days_are_released_one_by_one_and_nothing_is_found(product: Product) -> None:
    assert (product.first.blocked, words(product.first)) == (False, [])
    for index in (DAYS, DAYS + 1):
        product.load(day_of(index))
        outcome = product.judge(index + 1)
        assert (outcome.blocked, words(outcome)) == (False, [])
    assert set(product.statuses().values()) == {"released"}


@EMBEDDED
def test_a_build_reads_what_was_released_and_neither_what_waits_nor_what_is_held(product: Product) -> None:
    before = product.seen_by_a_build(DAYS + 1)
    waiting = product.load(day_of(DAYS))
    assert product.statuses()[waiting] == "pending"
    assert product.seen_by_a_build(DAYS + 1) == before
    product.load([{**e, "event_id": str(uuid.uuid4()), "country": None} for e in day_of(DAYS)])
    assert product.judge(DAYS + 1).blocked
    assert product.statuses()[waiting] == "held"
    assert product.seen_by_a_build(DAYS + 1) == before


def test_half_a_day_is_held_until_the_other_half_has_come(product: Product) -> None:
    events = sorted(day_of(DAYS), key=lambda e: e["occurred_at"])
    half = product.load(events[: len(events) // 2])
    outcome = product.judge(DAYS + 1)
    assert "volume" in failed(outcome)
    assert product.statuses()[half] == "held"
    state = product.connection.execute("select is_stale, blocked_by, reason from ops.publication").fetchone()
    assert state is not None
    assert state[:2] == (True, "raw")
    assert "events" in state[2]
    told = "select severity, closed_at is null from ops.alerts where incident = 'gate:raw'"
    assert product.connection.execute(told).fetchall() == [("critical", True)]
    rest = product.load(events[len(events) // 2 :])
    assert not product.judge(DAYS + 1).blocked
    assert (product.statuses()[half], product.statuses()[rest]) == ("released", "released")
    assert product.connection.execute(told).fetchall() == [("critical", False)]


@EMBEDDED
def test_a_day_that_does_not_come_blocks_by_itself(product: Product) -> None:
    outcome = product.judge(DAYS + 1)
    assert "volume" in failed(outcome)
    assert outcome.held == {}


@EMBEDDED
def test_only_the_batch_at_fault_is_held_and_revoking_it_ends_the_trouble(product: Product) -> None:
    good = product.load(day_of(DAYS))
    bad = product.load([
        {**e, "event_id": str(uuid.uuid4()), "value": -e["value"]} for e in day_of(DAYS + 1) if e["event_name"] == "buy"
    ])  # fmt: skip
    outcome = product.judge(DAYS + 2)
    assert {"rule_prices", "signs_of_numbers", "volume"} <= failed(outcome)
    assert product.statuses() | {good: "released", bad: "held"} == product.statuses()
    revoke(product.connection, bad)
    product.load(day_of(DAYS + 1))
    assert not product.judge(DAYS + 2).blocked


@EMBEDDED
def test_the_rules_of_the_plan_name_events_and_batches(product: Product) -> None:
    events = day_of(DAYS)
    orders = [e for e in events if e["event_name"] == "buy"]
    again = [{**e, "event_id": str(uuid.uuid4())} for e in orders[:4]]
    strangers = [{**e, "event_id": str(uuid.uuid4()), "user_id": f"stranger-{i}", "properties": {"order": f"x-{i}"}}
                 for i, e in enumerate(orders[:3])]  # fmt: skip
    product.load(events)
    batch = product.load([*again, *strangers])
    found = {r.check_name: r for r in product.judge(DAYS + 1).results}
    once, among = found["rule_order_once"], found["rule_view_of_buyer"]
    assert (once.passed, once.rows_failed, once.details["batches"]) == (False, 4, [batch])
    assert {e["event_id"] for e in once.examples} <= {e["event_id"] for e in [*again, *orders]}
    assert (among.passed, among.rows_failed) == (False, 3)
    assert found["rule_prices"].passed


def _refunds(index: int, days_before: int, number: int) -> list[Event]:
    """Of orders made so many days before."""
    orders = [e for e in day_of(index - days_before) if e["event_name"] == "buy"][:number]
    rng, day = random.Random(f"refunds {index}"), FIRST + timedelta(days=index)
    at = datetime(day.year, day.month, day.day, 12, tzinfo=ZONE)
    return [_event(rng, "refund", at, e["user_id"], e["country"], e["properties"]) for e in orders]


_REFUND = "  refunded: {{description: A refund has an order, event: refund, value: properties.order, among: {{event: buy, value: properties.order}}, tolerance: {}}}\n"


@EMBEDDED
def test_what_a_rule_refers_to_may_lie_a_week_before_each_of_its_days(product: Product) -> None:
    publish_text(product.connection, product.folder, PLAN + RULES + _REFUND.format(0))
    product.load([e for i in range(DAYS - 6, DAYS) for e in _refunds(i, 6, 5)])
    product.judge(DAYS)
    product.publish(DAYS)
    product.load([*day_of(DAYS), *_refunds(DAYS, 6, 5)])
    found = {r.check_name: r for r in product.judge(DAYS + 1).results}
    assert found["rule_refunded"].passed, found["rule_refunded"].details


@EMBEDDED
@pytest.mark.parametrize(("refunds", "late", "passes"), [(1, 1, True), (10, 4, True), (10, 9, False)])
def test_of_a_few_events_chance_may_break_more_than_what_is_tolerated(
    product: Product, refunds: int, late: int, passes: bool
) -> None:
    publish_text(product.connection, product.folder, PLAN + RULES + _REFUND.format(0.2))
    given = _refunds(DAYS, 2, refunds)
    product.load([*day_of(DAYS), *({**e, "properties": {"order": "lost"}} for e in given[:late]), *given[late:]])
    found = {r.check_name: r for r in product.judge(DAYS + 1).results}
    assert found["rule_refunded"].passed is passes, found["rule_refunded"].details


@EMBEDDED
def test_accepting_releases_nothing_that_was_taken_back(product: Product) -> None:
    bad = product.load([{**e, "country": "XX"} for e in day_of(DAYS)])
    assert product.judge(DAYS + 1).blocked
    revoke(product.connection, bad)
    product.load([e for e in day_of(DAYS) if e["event_name"] == "view"])
    assert product.judge(DAYS + 1).blocked
    assert accept(product.connection, "the till was broken").batches == 1


def test_an_owner_accepts_once_with_a_reason_and_the_log_knows(product: Product) -> None:
    with pytest.raises(UsageError, match="nothing is blocked"):
        accept(product.connection, "just so")
    batch = product.load([e for e in day_of(DAYS) if e["event_name"] == "view"])
    assert product.judge(DAYS + 1).blocked
    accepted = accept(product.connection, "the till was broken")
    assert (accepted.gate, accepted.batches) == ("raw", 1)
    with pytest.raises(UsageError, match="already"):
        accept(product.connection, "again")
    assert product.statuses()[batch] == "released"
    outcome = product.judge(DAYS + 1)
    assert not outcome.blocked
    row = product.connection.execute(
        "select outcome, reason from ops.gate_runs where gate_run_id = %s", (outcome.gate_run_id,)
    ).fetchone()
    assert row == ("accepted", "the till was broken")
    entry = product.connection.execute(
        "select details ->> 'reason' from ops.audit_log where action = 'accept failed checks'"
    ).fetchall()
    assert entry == [("the till was broken",)]
    product.publish(DAYS + 1)
    product.load(day_of(DAYS + 1))
    assert not product.judge(DAYS + 2).blocked, "the next day is held against the usual, and not against the accepted one"


@EMBEDDED
def test_what_was_not_accepted_still_blocks(product: Product) -> None:
    product.load([e for e in day_of(DAYS) if e["event_name"] == "view"])
    product.judge(DAYS + 1)
    accept(product.connection, "the till was broken")
    product.load([{**e, "country": "XX"} for e in day_of(DAYS + 1)])
    assert product.judge(DAYS + 2).blocked


@EMBEDDED
def test_a_first_history_is_flagged_where_it_is_old_and_blocks_in_its_newest_week(
    warehouse: Warehouse, connection: psycopg.Connection, tmp_path: Path
) -> None:
    def history(broken: int) -> Callable[[int], list[Event]]:
        return lambda i: [e for e in day_of(i) if i != broken or e["event_name"] == "view"]

    product = Product.__new__(Product)
    product.warehouse, product.connection, product.folder = warehouse, connection, tmp_path
    publish_text(connection, tmp_path, PLAN)
    batch = product.load([e for i in range(DAYS) for e in history(12)(i)])
    outcome = product.judge(DAYS)
    assert not outcome.blocked
    assert any("0 buy events" in line for line in words(outcome))
    revoke(connection, batch)
    product.load([e for i in range(DAYS) for e in history(DAYS - 2)(i)])
    assert product.judge(DAYS).blocked


@EMBEDDED
def test_a_late_source_is_an_incident_and_its_return_ends_it(product: Product) -> None:
    late = "select closed_at is null from ops.alerts where incident = 'freshness:source:shop'"
    assert product.connection.execute(late).fetchall() == []
    product.judge(DAYS + 2)
    assert product.connection.execute(late).fetchall() == [(True,)]
    product.load([*day_of(DAYS), *day_of(DAYS + 1)])
    product.judge(DAYS + 2)
    assert product.connection.execute(late).fetchall() == [(False,)]


def test_a_profile_is_what_a_naive_reader_counts(product: Product) -> None:
    day, events = FIRST + timedelta(days=3), day_of(3)
    found = {
        tuple(row[:4]): row[4]
        for row in product.connection.execute(
            "select event_name, metric, subject, value, amount from ops.profiles where day = %s and metric <> 'signature'",
            (day,),
        ).fetchall()
    }
    orders = [e for e in events if e["event_name"] == "buy"]
    expected: dict[tuple[str, str, str, str], float] = {
        ("", "count", "events", ""): len(events),
        ("buy", "count", "events", ""): len(orders),
        ("", "count", "persons", ""): len({e["user_id"] for e in events}),
        ("buy", "present", "properties.order", ""): len(orders),
        ("", "present", "anonymous_id", ""): 0,
        ("buy", "number", "value", "max"): max(e["value"] for e in orders),
        ("buy", "sign", "value", "negative"): 0,
        ("", "share", "busiest", ""): max(Counter(e["user_id"] for e in events).values()),
    }
    for country, count in Counter(e["country"] for e in events).items():
        expected["", "category", "country", country] = count
    for hour, count in Counter(
        datetime.fromisoformat(e["occurred_at"]).astimezone(ZONE).strftime("%H") for e in events
    ).items():
        expected["", "category", "hour", hour] = count
    for page, count in Counter(e["properties"]["page"] for e in events if e["event_name"] == "view").items():
        expected["view", "category", "properties.page", page] = count
    assert {key: found.get(key) for key in expected} == pytest.approx(expected)


@EMBEDDED
def test_a_day_of_the_gate_is_scored(product: Product) -> None:
    product.load([{**e, "platform": None} for e in day_of(DAYS)])
    product.judge(DAYS + 1)
    rows = product.connection.execute(
        "select period_date, numerator, denominator, value from kpi.quality_scores where dimension = 'all' order by 1"
    ).fetchall()
    assert [row[0] for row in rows] == [FIRST + timedelta(days=DAYS), FIRST + timedelta(days=DAYS + 1)]
    assert float(rows[0][3]) == 1.0
    assert rows[1][1] < rows[1][2]
    assert float(rows[1][3]) == pytest.approx(rows[1][1] / rows[1][2], abs=1e-4)
