"""A first plan from events: it is one, it fits the events it comes from, and its guesses are those that people made."""

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_pipeline.commands import infer as command
from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.contracts import PropertyRule, faults_of
from analytics_pipeline.samples.generators import generator_of
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.compile import compile_plan
from analytics_pipeline.tracking_plan.infer.counting import count, new_table
from analytics_pipeline.tracking_plan.infer.draft import Wishes, draft_plan
from analytics_pipeline.tracking_plan.infer.words import slug_of, words_of
from analytics_pipeline.tracking_plan.infer.zones import zone_of_country
from analytics_pipeline.tracking_plan.names import SAMPLES
from analytics_pipeline.tracking_plan.read import plan_path, read_plan
from analytics_pipeline.tracking_plan.schema import TrackingPlan

AT = datetime(2026, 2, 1, 10, tzinfo=UTC)
COLUMNS = (
    "event_name", "occurred_at", "user_id", "anonymous_id", "session_id", "country", "region", "city", "device_type", "platform",
    "app_version", "value", "currency", "properties",
)  # fmt: skip
TYPES = {"occurred_at": pa.timestamp("us", "UTC"), "value": pa.float64()}
Event = dict[str, Any]


def text_of(events: list[Event], **wishes: str) -> str:
    with duckdb.connect() as database:
        new_table(database)
        cells = {c: [json.dumps(e.get(c) or {}) if c == "properties" else e.get(c) for e in events] for c in COLUMNS}
        chunk = pa.table({c: pa.array(cells[c], TYPES.get(c, pa.string())) for c in COLUMNS})
        database.register("chunk", chunk)
        database.execute("insert into events select * from chunk")
        return draft_plan(count(database), Wishes(**wishes), f"{len(events)} events")


def plan_of(folder: Path, text: str) -> TrackingPlan:
    path = folder / "plan.yml"
    path.write_text(text, encoding="utf-8")
    plan = read_plan(path)
    compile_plan(plan, path)
    return plan


def guessed(folder: Path, events: list[Event], **wishes: str) -> TrackingPlan:
    return plan_of(folder, text_of(events, **wishes))


def rules_of(plan: TrackingPlan, name: str) -> dict[str, PropertyRule]:
    declared = {**plan.properties, **plan.events[name].properties}
    return {
        p: PropertyRule(v.type, v.required, v.personal, frozenset(v.values) if v.values else None) for p, v in declared.items()
    }


def many(number: int, name: str, of: Callable[[int], Event] | None = None, **values: Any) -> list[Event]:
    """A day each, by ten persons in turn."""
    base = {"event_name": name, **values}
    return [
        {**base, "occurred_at": AT + timedelta(days=n % 30, seconds=n * 7919 % 80_000), "user_id": f"u{n % 10}", **(of(n) if of else {})}
        for n in range(number)
    ]  # fmt: skip


def carrying(number: int, name: str, of: Callable[[int], dict[str, Any]], **values: Any) -> list[Event]:
    return many(number, name, lambda n: {"properties": of(n)}, **values)


@cache
def sample(name: str) -> tuple[list[Event], str]:
    events = [e for day in generator_of(name).generate(date(2026, 6, 1), 45) for e in day]
    return events, text_of(events, name=name)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_first_plan_of_a_sample_has_what_a_person_declared(name: str, tmp_path: Path) -> None:
    _, text = sample(name)
    plan, hand = plan_of(tmp_path, text), read_plan(plan_path(name))
    declared = [(e, p, v) for e, event in hand.events.items() if e in plan.events for p, v in event.properties.items()]
    right = [1 for e, p, v in declared if (rules_of(plan, e).get(p) or PropertyRule("")).type == v.type]
    assert len(right) >= 0.98 * len(declared)
    alike = [(hand.events[e].activity, hand.events[e].page) == (of.activity, of.page) for e, of in plan.events.items()]
    assert sum(alike) >= 0.85 * len(alike)
    personal = [rules_of(plan, e)[p].is_personal for e, p, v in declared if v.personal and p in rules_of(plan, e)]
    assert sum(personal) >= 0.4 * len(personal), "health and language are beyond a guess by name"
    if hand.revenue:
        assert plan.revenue is not None
        assert (plan.revenue.events, plan.revenue.refunds) == (hand.revenue.events, hand.revenue.refunds)
    assert plan.currency == (hand.currency if hand.revenue else "USD")
    assert {"daily_active_users", "sessions", "stickiness", "session_conversion"} <= set(plan.kpis)
    assert len(plan.dimensions) >= 4
    assert len(plan.funnels["main"].steps) >= 3


@pytest.mark.parametrize("name", SAMPLES)
def test_no_event_breaks_the_plan_that_was_guessed_from_it(name: str, tmp_path: Path) -> None:
    events, text = sample(name)
    plan = plan_of(tmp_path, text)
    rules = {event: rules_of(plan, event) for event in plan.events}
    broken = [e for e in events if faults_of(json.loads(json.dumps(e["properties"])), rules[e["event_name"]])]
    assert broken == []


values = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1e9, 1e9) | st.sampled_from(["", "x", "y z", "2026-02-01", "a@b.example", "+49 30 1234567"]) | st.lists(st.integers(), max_size=2)  # fmt: skip
names = st.sampled_from(["any", "Order Completed", "Заказ", "it's", 'a "b"', "day", "refund", "$pageview", "- x: #", "null", "ping"]) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)  # fmt: skip
keys = st.sampled_from(["a", "email", "is_test", "internal", "c.d", "x: y #", "[0]", "*", "'", '"', "on", "é", "k" * 150])
events_of_any_kind = st.lists(
    st.fixed_dictionaries(
        {"event_name": names, "occurred_at": st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))},
        optional={
            "user_id": st.sampled_from(["u", "v"]),
            "anonymous_id": st.sampled_from(["a", "b"]),
            "session_id": st.just("s"),
            "country": st.sampled_from(["DE", "IN", "Germany", "#", ""]),
            "value": st.floats(-100, 100),
            "currency": st.sampled_from(["EUR", "eur", "X", "€€€"]),
            "properties": st.dictionaries(keys, values, max_size=4),
        },
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=events_of_any_kind)
def test_whatever_the_events_are_the_draft_is_a_plan_that_they_fit(events: list[Event], tmp_path: Path) -> None:
    plan = guessed(tmp_path, events)
    assert {e["event_name"] for e in events} == set(plan.events)
    for event in events:
        properties = {k: v for k, v in (event.get("properties") or {}).items() if 0 < len(k) <= 100}
        types = {f.property for f in faults_of(properties, rules_of(plan, event["event_name"])) if f.violation != "wrong_type"}
        assert types == set()


def test_a_property_is_required_when_enough_events_always_carry_it(tmp_path: Path) -> None:
    events = carrying(20, "often", lambda n: {"a": n, "b": n if n else None, "c": "" if n == 3 else "x"}) + carrying(
        19, "rare", lambda n: {"a": n}
    )
    plan = guessed(tmp_path, events)
    assert {p: v.required for p, v in plan.events["often"].properties.items()} == {"a": True, "b": False, "c": False}
    assert not plan.events["rare"].properties["a"].required
    assert "too few" in text_of(events)


def test_values_are_proposed_where_no_other_is_to_be_expected(tmp_path: Path) -> None:
    events = carrying(
        200,
        "e",
        lambda n: {
            "method": ["card", "cash"][n % 2],
            "once": "odd" if n == 7 else ["a", "b"][n % 2],
            "many": f"v{n % 40}",
            "order_id": ["o-1", "o-2"][n % 2],
            "score": ["1", "2"][n % 2],
        },
    )
    proposed = {p: v.values for p, v in guessed(tmp_path, events).events["e"].properties.items() if v.values}
    assert proposed == {"method": ["card", "cash"]}


@pytest.mark.parametrize(
    ("key", "value", "is_personal"),
    [
        ("contact_point", lambda n: f"p{n}@shop.example", True),
        ("reached_at", lambda n: f"+49 30 12345{n:03}", True),
        ("seen_from", lambda n: f"10.0.0.{n}", True),
        ("traits", lambda n: {"mail": f"p{n}@shop.example"}, True),
        ("firstName", lambda n: f"N{n}", True),
        ("birth_year", lambda n: 1950 + n, True),
        ("comment", lambda n: "fine", True),
        ("story", lambda n: f"once upon a time number {n}", True),
        ("page_title", lambda n: "All our shoes", False),
        ("price", lambda n: n, False),
        ("is_email_sent", lambda n: n % 2 == 0, False),
    ],
)
def test_what_may_be_personal_is_marked_by_key_or_value(
    key: str, value: Callable[[int], Any], is_personal: bool, tmp_path: Path
) -> None:
    plan = guessed(tmp_path, carrying(100, "e", lambda n: {key: value(n)}))
    assert plan.events["e"].properties[key].personal == is_personal


def test_no_value_of_a_personal_property_is_in_the_draft() -> None:
    events = carrying(
        100, "e", lambda n: {"nickname": ["Ada", "Bob"][n % 2], "contact": ["ada@shop.example", "bob@shop.example"][n % 2]}
    )
    text = text_of(events)
    assert not any(secret in text for secret in ("Ada", "Bob", "shop.example"))


def test_types_are_those_that_events_have(tmp_path: Path) -> None:
    events = carrying(100, "e", lambda n: {"n": n, "t": f"2026-02-{n % 28 + 1:02}T10:00:00Z", "b": n > 5, "o": {"x": 1}, "a": [n], "m": n if n % 2 else "x", "s": str(n)})  # fmt: skip
    plan = guessed(tmp_path, events)
    assert {p: v.type for p, v in plan.events["e"].properties.items()} == {
        "n": "number", "t": "timestamp", "b": "boolean", "o": "object", "a": "array", "m": "text", "s": "text",
    }  # fmt: skip
    assert "of several types: 50 " in text_of(events)
    assert "casts" in text_of(events)


def test_what_comes_by_itself_is_no_activity(tmp_path: Path) -> None:
    beats = [
        {"event_name": "presence", "occurred_at": AT + timedelta(seconds=60 * n), "user_id": f"u{u}"}
        for n in range(30)
        for u in range(3)
    ]
    events = beats + many(50, "view") + many(50, "app_heartbeat") + many(50, "stock_counted", user_id=None)
    plan = guessed(tmp_path, [e if e["event_name"] != "stock_counted" else {**e, "user_id": None} for e in events])
    assert {name: event.activity for name, event in plan.events.items()} == {
        "presence": False, "view": True, "app_heartbeat": False, "stock_counted": False,
    }  # fmt: skip
    assert "comes every 60 s by itself" in text_of(events)


def test_money_is_guessed_once_and_refunds_apart(tmp_path: Path) -> None:
    paid = {"currency": "EUR", "value": 10.0}
    events = [
        *many(50, "product_viewed", value=5.0),
        *many(30, "payment_started", **paid),
        *many(25, "invoice_paid", **paid),
        *many(25, "order_completed", **paid),
        *many(5, "refund_issued", **paid),
    ]
    plan = guessed(tmp_path, events)
    assert plan.revenue is not None
    assert (plan.revenue.events, plan.revenue.refunds) == (["invoice_paid"], ["refund_issued"])
    assert plan.conversion is not None
    assert plan.conversion.event == "invoice_paid"
    assert not plan.events["refund_issued"].activity
    assert "add those that are other money: order_completed" in text_of(events)
    assert {"net_revenue", "average_order_value", "refund_rate", "buyers"} <= set(plan.kpis)


def test_without_money_the_goal_is_guessed_by_name(tmp_path: Path) -> None:
    plan = guessed(tmp_path, many(50, "page") + many(20, "table_booked") + many(20, "booking_cancelled"))
    assert plan.conversion is not None
    assert (plan.conversion.event, plan.revenue) == ("table_booked", None)
    assert "conversions" in plan.kpis


def test_a_funnel_follows_the_order_in_which_persons_do_things(tmp_path: Path) -> None:
    rng = random.Random(1)
    events = []
    for person in range(200):
        at = AT + timedelta(hours=person)
        for step, name in enumerate(["landed", "looked", "tried", "paid"]):
            if rng.random() > 0.8 and step:
                break
            events.append({"event_name": name, "occurred_at": at + timedelta(minutes=step), "user_id": f"u{person}"})
        events.append(
            {"event_name": "wandered", "occurred_at": at + timedelta(minutes=rng.choice([-5, 10])), "user_id": f"u{person}"}
        )
    steps = [step.event for step in guessed(tmp_path, events).funnels["main"].steps]
    assert steps == ["landed", "looked", "tried", "paid"]


def test_a_visitor_who_becomes_a_user_is_one_person(tmp_path: Path) -> None:
    events = []
    for person in range(40):
        at = AT + timedelta(hours=person)
        events.append({"event_name": "landed", "occurred_at": at, "anonymous_id": f"a{person}"})
        events.append(
            {
                "event_name": "signed_up",
                "occurred_at": at + timedelta(minutes=1),
                "anonymous_id": f"a{person}",
                "user_id": f"u{person}",
            }
        )
        events.append({"event_name": "paid", "occurred_at": at + timedelta(minutes=2), "user_id": f"u{person}"})
    plan = guessed(tmp_path, events)
    assert [step.event for step in plan.funnels["main"].steps] == ["landed", "signed_up", "paid"]
    assert "sign_ups" in plan.kpis


def test_sessions_of_the_tracker_set_the_timeout(tmp_path: Path) -> None:
    events = [
        {
            "event_name": "view",
            "occurred_at": AT + timedelta(hours=5 * s, minutes=50 * n),
            "user_id": "u",
            "session_id": f"s{s}",
        }
        for s in range(80)
        for n in range(3)
    ]
    assert guessed(tmp_path, events).session_timeout == timedelta(minutes=60)
    assert guessed(tmp_path, many(50, "view")).session_timeout == timedelta(minutes=30)


def test_country_currency_and_first_day_are_those_of_most_events(tmp_path: Path) -> None:
    events = many(100, "buy", country="IN", currency="INR", value=1.0) + many(3, "buy", country="DE", currency="EUR", value=1.0)
    plan = guessed(tmp_path, events)
    assert (plan.timezone, plan.currency, plan.start) == ("Asia/Kolkata", "INR", date(2026, 2, 1))
    assert "others need `rates`: EUR 2.9%" in text_of(events)
    said = guessed(tmp_path, events, name="Ada's Shop", timezone="Europe/Berlin", currency="EUR")
    assert (said.name, said.title, said.timezone, said.currency) == ("ada_s_shop", "Ada's Shop", "Europe/Berlin", "EUR")


def test_a_clock_that_stood_at_zero_does_not_move_the_start(tmp_path: Path) -> None:
    events = [*many(2000, "view"), {"event_name": "view", "occurred_at": datetime(1970, 1, 1, tzinfo=UTC), "user_id": "u"}]
    assert guessed(tmp_path, events).start == date(2026, 2, 1)
    assert "1970-01-01" in text_of(events)


def test_what_trackers_add_to_all_events_is_declared_once(tmp_path: Path) -> None:
    def of(n: int) -> dict[str, Any]:
        return {"theme": ["dark", "light"][n % 2], **({"internal": True} if n == 3 else {})}

    plan = guessed(tmp_path, [e for name in ("a", "b", "c", "d", "e") for e in carrying(60, name, of)])
    assert set(plan.properties) == {"theme", "internal"}
    assert all(not event.properties for event in plan.events.values())
    assert plan.properties["theme"].required
    assert plan.exclude == {"internal": "properties.internal = 'true'"}


@pytest.mark.parametrize(
    ("code", "zone"), [("DE", "Europe/Berlin"), ("IN", "Asia/Kolkata"), ("US", None), ("ZZ", None), ("Germany", None)]
)
def test_a_country_has_the_zone_of_most_of_it(code: str, zone: str | None) -> None:
    assert zone_of_country(code) == zone


@pytest.mark.parametrize("name", ["Order Completed", "order_completed", "order.completed", "orderCompleted", "ORDER-completed"])
def test_a_name_is_taken_apart_whatever_its_style(name: str) -> None:
    assert words_of(name) == ("order", "completed")
    assert slug_of(name) == "order_completed"


# From files, as a user does it ------------------------------------------------------------------------------------------


def segment(n: int) -> dict[str, Any]:
    at = (AT + timedelta(hours=n)).isoformat()
    common = {"anonymousId": f"a{n // 3}", "messageId": f"m{n}", "timestamp": at, "receivedAt": at}
    context = {"context": {"location": {"country": "Germany"}, "device": {"type": "mobile"}, "ip": "10.1.2.3"}}
    kinds: list[dict[str, Any]] = [
        {"type": "page", "properties": {"path": "/shoes", "title": "Shoes"}},
        {"type": "identify", "userId": f"user-{n // 3}", "traits": {"email": f"p{n}@shop.example"}},
        {"type": "track", "event": "Order Completed", "userId": f"user-{n // 3}"}
        | {"properties": {"order_id": f"o-{n}", "revenue": 5.5, "currency": "eur", "products": [{"sku": "s"}]}},
    ]
    return {**common, **context, **kinds[n % 3]}


def test_a_first_plan_from_a_tracker_s_files_needs_no_warehouse(tmp_path: Path) -> None:
    export, output = tmp_path / "export.ndjson", tmp_path / "plan.yml"
    export.write_text("\n".join(json.dumps(segment(n)) for n in range(300)) + "\nbroken\n")
    home = Settings(home=tmp_path / "home")
    said = command.infer(home, [export], "segment", Wishes(), output)
    assert "300 events in 1 file; 1 more records are no events" in said
    assert not (tmp_path / "home").exists()
    plan = plan_of(tmp_path, output.read_text())
    order = plan.events["Order Completed"].properties
    assert {p: (v.type, v.required) for p, v in order.items() if p != "context"} == {
        "order_id": ("text", True), "revenue": ("number", True), "currency": ("text", True), "products": ("array", True),
    }  # fmt: skip
    assert plan.events["identify"].properties["traits"].personal
    assert plan.events["page"].page
    assert plan.revenue is not None
    assert (plan.revenue.events, plan.currency) == (["Order Completed"], "EUR")
    assert [step.event for step in plan.funnels["main"].steps] == ["page", "Order Completed"]
    with pytest.raises(UsageError, match="there already"):
        command.infer(home, [export], "segment", Wishes(), output)


@pytest.mark.parametrize(
    ("wishes", "output", "says"),
    [
        (Wishes(timezone="Mars/Base"), None, "Mars/Base"),
        (Wishes(currency="euro"), None, "euro"),
        (Wishes(), "nowhere/plan.yml", "nowhere"),
    ],
)
def test_a_wish_that_cannot_be_met_is_named(wishes: Wishes, output: str | None, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        command.infer(Settings(home=tmp_path), [tmp_path], "envelope", wishes, tmp_path / output if output else None)


def test_records_that_are_no_events_name_the_command_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"x": 1}\n')
    with pytest.raises(UsageError, match=r"1 records .* mapping check envelope"):
        command.infer(Settings(home=tmp_path), [tmp_path / "a.ndjson"], "envelope", Wishes(), None)


def test_of_very_many_records_each_file_gives_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MOST_EVENTS", 2)
    for name in ("a", "b"):
        (tmp_path / f"{name}.ndjson").write_text(json.dumps({"event_name": name, "occurred_at": "2026-02-01T10:00:00Z"}) + "\n")
    text = command.infer(Settings(home=tmp_path), [tmp_path], "envelope", Wishes(), None)
    assert set(plan_of(tmp_path, text).events) == {"a", "b"}
