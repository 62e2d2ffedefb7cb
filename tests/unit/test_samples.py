"""The sample generators of all plans: what each promises to the pipeline and to the people who look at it."""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from analytics_pipeline.cli import cli
from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.envelope import FIELDS
from analytics_pipeline.samples.files import write_samples
from analytics_pipeline.samples.generators import Event, generator_of
from analytics_pipeline.samples.marker import read_marker, write_marker
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.names import SAMPLES
from analytics_pipeline.tracking_plan.read import plan_path, read_plan
from analytics_pipeline.tracking_plan.schema import TrackingPlan

FIRST = date(2026, 3, 2)
DAYS = 90
TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
every_sample = pytest.mark.parametrize("name", SAMPLES)

PRECEDENCE = {
    "ecommerce": [("refund", "purchase", "properties.order", "properties.order")],
    "ride_hailing": [
        ("payment.initiated", "booking.created", "entity_id", "entity_id"),
        ("payment.success", "payment.initiated", "entity_id", "entity_id"),
        ("payment.failed", "payment.initiated", "entity_id", "entity_id"),
        ("booking.confirmed", "payment.success", "entity_id", "entity_id"),
        ("booking.completed", "booking.confirmed", "entity_id", "entity_id"),
        ("booking.completed", "trip.completed", "properties.trip", "entity_id"),
        ("payment.refunded", "payment.success", "entity_id", "entity_id"),
        ("trip.completed", "trip.started", "entity_id", "entity_id"),
        ("driver.location.updated", "trip.started", "entity_id", "entity_id"),
        ("user.upgraded_to_driver", "user.kyc_verified", "user_id", "user_id"),
        ("route.created", "user.upgraded_to_driver", "user_id", "user_id"),
        ("route.activated", "route.created", "entity_id", "entity_id"),
    ],
    "ai_platform": [
        ("processing.completed", "api.request", "entity_id", "entity_id"),
        ("processing.failed", "api.request", "entity_id", "entity_id"),
        ("feedback.given", "processing.completed", "entity_id", "entity_id"),
        ("subscription.refunded", "subscription.charged", "properties.account", "properties.account"),
    ],
    "rental": [
        ("viewing.attended", "viewing.booked", "user_id+entity_id", "user_id+entity_id"),
        ("application.sent", "viewing.attended", "user_id+entity_id", "user_id+entity_id"),
        ("lease.signed", "application.sent", "user_id+entity_id", "user_id+entity_id"),
        ("recommendation.clicked", "recommendation.shown", "entity_id", "entity_id"),
    ],
    "appointments": [
        ("appointment.attended", "appointment.booked", "entity_id", "entity_id"),
        ("appointment.missed", "appointment.booked", "entity_id", "entity_id"),
        ("appointment.cancelled", "appointment.booked", "entity_id", "entity_id"),
        ("appointment.rescheduled", "appointment.booked", "entity_id", "entity_id"),
        ("reminder.sent", "appointment.booked", "entity_id", "entity_id"),
        ("evaluation.completed", "appointment.attended", "user_id", "user_id"),
    ],
}
"""Later event, earlier event, and the keys by which each instance of the first needs one of the second."""

SIGN_UPS = {
    "ecommerce": "sign_up",
    "ride_hailing": "user.registered",
    "ai_platform": "user.signed_up",
}


@cache
def history(name: str) -> list[list[Event]]:
    return generator_of(name).generate(FIRST, DAYS)


@cache
def plan(name: str) -> TrackingPlan:
    return read_plan(plan_path(name))


def events(name: str, *names: str) -> Iterator[Event]:
    return (e for day in history(name) for e in day if not names or e["event_name"] in names)


def column(event: Event, path: str) -> Any:
    """A column, a property, or several of them joined by +."""
    if "+" in path:
        return "/".join(str(column(event, part)) for part in path.split("+"))
    return event["properties"].get(path.removeprefix("properties.")) if path.startswith("properties.") else event[path]


def story(name: str, field: str) -> Any:
    return getattr(generator_of(name).stories(FIRST), field)


def on(name: str, event: Event) -> date:
    return event["occurred_at"].astimezone(generator_of(name).ZONE).date()


@every_sample
def test_the_days_are_those_of_the_plans_zone(name: str) -> None:
    assert ZoneInfo(plan(name).timezone) == generator_of(name).ZONE
    assert generator_of(name).DAYS == DAYS
    assert plan(name).name == name


@every_sample
def test_the_same_days_come_again_and_a_longer_history_begins_with_them(name: str) -> None:
    short = generator_of(name).generate(FIRST, 25)
    assert short == generator_of(name).generate(FIRST, 25)
    assert short == history(name)[:25]


@every_sample
def test_a_history_has_a_size_that_a_demo_can_load(name: str) -> None:
    sizes = [len(day) for day in history(name)]
    assert len(sizes) == DAYS
    assert min(sizes) > 20
    assert 20_000 <= sum(sizes) <= (160_000 if name == "ecommerce" else 45_000)


@every_sample
def test_all_events_have_the_same_columns_and_those_are_columns_of_the_envelope(name: str) -> None:
    columns = {tuple(e) for e in events(name)}
    assert len(columns) == 1
    assert set(columns.pop()) <= set(FIELDS)
    ids = [e["event_id"] for e in events(name)]
    assert len(ids) == len(set(ids))


@every_sample
def test_times_are_in_utc_in_order_and_on_their_day(name: str) -> None:
    for index, day in enumerate(history(name)):
        times = [e["occurred_at"] for e in day]
        assert times == sorted(times)
        assert all(t.utcoffset() == timedelta(0) for t in times)
        assert all(timedelta(0) <= e["received_at"] - e["occurred_at"] < timedelta(days=1) for e in day)
        assert {on(name, e) - FIRST for e in day} <= {timedelta(days=index), timedelta(days=index + 1)}


@every_sample
def test_the_plan_describes_every_event_and_the_sample_shows_every_one(name: str) -> None:
    assert {e["event_name"] for e in events(name)} == set(plan(name).events)
    assert all(event.description for event in plan(name).events.values())


@every_sample
def test_properties_are_as_the_plan_says(name: str) -> None:
    for event in events(name):
        properties = event["properties"]
        json.dumps(properties)
        for key, described in plan(name).events[event["event_name"]].properties.items():
            if described.required:
                assert properties.get(key) is not None, (event["event_name"], key)
            if properties.get(key) is None:
                continue
            assert isinstance(properties[key], TYPES.get(described.type, (str,))), (event["event_name"], key)
            assert described.values is None or properties[key] in described.values, (event["event_name"], key, properties[key])


@every_sample
def test_every_property_of_the_sample_is_in_the_plan(name: str) -> None:
    excluding = " ".join(plan(name).exclude.values())
    shown = {(e["event_name"], key) for e in events(name) for key in e["properties"] if f"properties.{key}" not in excluding}
    assert {(n, k) for n, k in shown if k not in plan(name).events[n].properties} == set()


@every_sample
def test_facts_follow_what_they_need(name: str) -> None:
    for later, earlier, later_key, earlier_key in PRECEDENCE[name]:
        first: dict[str, datetime] = {}
        for event in events(name, earlier):
            first.setdefault(column(event, earlier_key), event["occurred_at"])
        found = [(column(e, later_key), e["occurred_at"]) for e in events(name, later)]
        assert found, later
        assert [key for key, at in found if key is None or key not in first or first[key] >= at] == [], (later, earlier)


@pytest.mark.parametrize("name", SIGN_UPS)
def test_nobody_is_known_before_the_sign_up_and_it_links_what_came_before(name: str) -> None:
    signed_up = {e["user_id"]: e for e in events(name, SIGN_UPS[name])}
    assert len(signed_up) > 100
    assert all(e["anonymous_id"] for e in signed_up.values())
    for event in events(name):
        if event["user_id"] in signed_up:
            assert event["occurred_at"] >= signed_up[event["user_id"]]["occurred_at"]
    linked = {e["anonymous_id"] for e in signed_up.values()}
    assert sum(e["anonymous_id"] in linked and e["user_id"] is None for e in events(name)) > 100


@every_sample
def test_people_come_back_and_some_drift_away(name: str) -> None:
    days: dict[str, set[date]] = defaultdict(set)
    for event in events(name):
        if plan(name).events[event["event_name"]].activity and (event["user_id"] or event["anonymous_id"]):
            days[event["user_id"] or event["anonymous_id"]].add(on(name, event))
    early = [seen for seen in days.values() if min(seen) < FIRST + timedelta(days=30)]
    assert sum(len(seen) > 1 for seen in days.values()) > 0.2 * len(days)
    assert sum(max(seen) < FIRST + timedelta(days=60) for seen in early) > 0.1 * len(early)


def _conditions(name: str) -> Iterator[tuple[str, str]]:
    described = plan(name)
    yield from ((f"exclude {key}", text) for key, text in described.exclude.items())
    for key, measure in described.measures.items():
        if measure.where and measure.of == "events" and measure.count != "sessions":
            yield f"measure {key}", measure.where
    for key, funnel in described.funnels.items():
        for step in funnel.steps:
            parts = [f"event_name = '{step.event}'"] if step.event not in (None, "any") else []
            yield f"funnel {key}", " and ".join([*parts, *([f"({step.where})"] if step.where else [])])


@every_sample
def test_every_condition_of_the_plan_selects_a_part_of_the_sample(name: str) -> None:
    names = {key for e in events(name) for key in e["properties"]}
    text = pa.struct([(n, pa.string()) for n in sorted(names)])
    rows = [
        {**e, "source": "", "properties": {k: v if isinstance(v, str) else json.dumps(v) for k, v in e["properties"].items()}}
        for e in events(name)
    ]
    kinds = {
        "properties": text,
        "value": pa.float64(),
        "occurred_at": pa.timestamp("us", "UTC"),
        "received_at": pa.timestamp("us", "UTC"),
    }
    table = pa.Table.from_pylist(rows, pa.schema([(c, kinds.get(c, pa.string())) for c in rows[0]]))
    with duckdb.connect() as database:
        database.register("events", table)
        for label, condition in _conditions(name):
            (count,) = database.sql(f"select count(*) from events where {condition}").fetchall()[0]
            assert 0 < count < len(rows), (label, condition)
            assert not label.startswith("exclude") or count < 0.05 * len(rows), (label, count)


@every_sample
def test_the_plan_is_rich_enough_to_show_what_a_plan_can_say(name: str) -> None:
    kpis = plan(name).kpis.values()
    assert len(kpis) >= 14
    assert 3 <= sum(k.headline for k in kpis) <= 8
    assert 3 <= sum(k.forecast for k in kpis) <= 5
    assert sum(k.watch for k in kpis) >= 3
    assert len(plan(name).funnels) >= (1 if name == "ecommerce" else 2)
    assert {r.mode for r in plan(name).retentions.values()} == {"first_time", "recurring"}
    assert plan(name).flows
    assert plan(name).segments
    assert plan(name).calendar


def test_no_seat_is_sold_twice_and_drivers_earn_from_those_who_rode() -> None:
    rode: dict[str, list[Event]] = defaultdict(list)
    for event in events("ride_hailing", "booking.completed"):
        rode[event["properties"]["trip"]].append(event)
    fares = {e["entity_id"]: e["value"] for e in events("ride_hailing", "payment.success")}
    for trip in events("ride_hailing", "trip.completed"):
        riders = rode[trip["entity_id"]]
        assert (
            sum(e["properties"]["seats"] for e in riders)
            == trip["properties"]["seats_taken"]
            <= trip["properties"]["seats_offered"]
        )
        assert trip["value"] == pytest.approx(0.8 * sum(fares[e["entity_id"]] for e in riders), abs=0.01)


def test_bookings_are_paid_before_the_car_leaves() -> None:
    leaves = {e["entity_id"]: e["occurred_at"] for e in events("ride_hailing", "trip.started")}
    paid = [e for e in events("ride_hailing", "booking.confirmed") if e["properties"]["trip"] in leaves]
    assert paid
    assert all(e["occurred_at"] < leaves[e["properties"]["trip"]] for e in paid)


def test_a_booking_ends_once() -> None:
    ends: dict[str, list[str]] = defaultdict(list)
    for event in events("ride_hailing", "booking.completed", "booking.cancelled"):
        ends[event["entity_id"]].append(event["event_name"])
    assert all(len(names) == 1 for names in ends.values())
    refunds = [e["entity_id"] for e in events("ride_hailing", "payment.refunded")]
    assert len(refunds) == len(set(refunds))


def test_payments_fail_on_the_outage_day_in_its_region_and_method_only() -> None:
    tries: dict[tuple[bool, bool], list[bool]] = defaultdict(list)
    for e in events("ride_hailing", "payment.success", "payment.failed"):
        here = e["region"] == story("ride_hailing", "outage_region") and e["properties"]["method"] == story(
            "ride_hailing", "outage_payment_method"
        )
        tries[on("ride_hailing", e) == story("ride_hailing", "outage_day"), here].append(e["event_name"] == "payment.success")
    rates = {key: statistics.mean(values) for key, values in tries.items()}
    assert rates[True, True] < 0.4
    assert min(rates[True, False], rates[False, True], rates[False, False]) > 0.8


def test_payments_became_faster_with_the_release() -> None:
    seconds: dict[bool, list[float]] = defaultdict(list)
    for e in events("ride_hailing", "payment.success"):
        seconds[on("ride_hailing", e) >= story("ride_hailing", "release_day")].append(e["properties"]["seconds"])
    assert statistics.median(seconds[True]) < 0.65 * statistics.median(seconds[False])


def test_requests_fail_on_the_outage_day_in_its_region_and_endpoint() -> None:
    failed: dict[tuple[bool, bool], list[bool]] = defaultdict(list)
    for e in events("ai_platform", "api.request"):
        here = e["region"] == story("ai_platform", "outage_region") and e["properties"]["endpoint"] == story(
            "ai_platform", "outage_endpoint"
        )
        failed[on("ai_platform", e) == story("ai_platform", "outage_day"), here].append(e["properties"]["status"] >= 500)
    rates = {key: statistics.mean(values) for key, values in failed.items()}
    assert rates[True, True] > 0.6
    assert max(rates[False, True], rates[False, False]) < 0.03


def test_the_new_model_is_cheaper_and_faster_and_one_host_leaks() -> None:
    cost, speed = defaultdict(list), defaultdict(list)
    for e in events("ai_platform", "processing.completed"):
        if e["properties"]["type"] == "chat":
            cost[e["properties"]["model"]].append(
                e["properties"]["cost"] / (e["properties"]["tokens_in"] + e["properties"]["tokens_out"])
            )
    for e in events("ai_platform", "api.request"):
        if e["properties"]["endpoint"] == "/v1/chat" and e["properties"]["status"] == 200:
            speed[e["properties"]["model"]].append(e["properties"]["latency_ms"])
    new = story("ai_platform", "release_model")
    (old,) = set(cost) - {new}
    assert statistics.mean(cost[new]) < 0.8 * statistics.mean(cost[old])
    assert statistics.median(speed[new]) < 0.9 * statistics.median(speed[old])
    last = [e["properties"] for e in history("ai_platform")[-1] if e["event_name"] == "system.metrics"]
    memory = {m["host"]: m["memory"] for m in last}
    assert max(memory, key=lambda host: memory[host]) == story("ai_platform", "leak_host")


def test_revenue_comes_in_two_currencies_and_both_have_a_rate() -> None:
    currencies = {e["currency"] for e in events("ai_platform", "subscription.charged")}
    assert currencies == {"USD", "EUR"} == {plan("ai_platform").currency, *plan("ai_platform").rates}


def test_the_marker_remembers_the_plan_and_the_first_day(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert read_marker(settings) is None
    write_marker(settings, "ai_platform", date(2026, 5, 30))
    write_marker(settings, "ai_platform", date(2026, 6, 2))
    marker = read_marker(settings)
    assert marker is not None
    assert (marker.plan, marker.first_day, marker.last_day) == ("ai_platform", FIRST, date(2026, 6, 2))
    assert json.loads(settings.sample_marker.read_text())["planted"]["leak_host"] == "worker-2"


def test_a_home_stays_with_its_sample(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write_marker(settings, "ride_hailing", date(2026, 5, 30))
    with pytest.raises(UsageError, match="ride_hailing, not of ai_platform"):
        write_marker(settings, "ai_platform", date(2026, 5, 30))


def test_a_marker_of_before_there_were_several_samples_is_the_shops(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.sample_marker.write_text('{"first_day": "2026-03-02", "last_day": "2026-05-30", "planted": {}}')
    marker = read_marker(settings)
    assert marker is not None
    assert marker.plan == "ecommerce"


def test_demo_finds_the_home_of_a_plan_and_the_plan_of_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, str]] = []
    monkeypatch.setattr(
        "analytics_pipeline.commands.demo.demo", lambda settings, _: asked.append((settings.home, settings.tracking_plan))
    )
    rental = tmp_path / "rental"
    write_marker(Settings(home=rental), "rental", date(2026, 5, 30))
    for home, arguments in ((tmp_path, []), (tmp_path, ["--plan", "rental"]), (rental, [])):
        monkeypatch.setenv("ANALYTICS_HOME", str(home))
        cli.main(["demo", *arguments], standalone_mode=False)
    assert asked == [(tmp_path, "ecommerce"), (rental, "rental"), (rental, "rental")]


def test_an_unknown_sample_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError, match=r"'taxi'.*ride_hailing"):
        generator_of("taxi")


@every_sample
def test_files_of_later_days_come_beside_the_earlier_ones_and_change_none(name: str, tmp_path: Path) -> None:
    first = write_samples(tmp_path, name, FIRST, FIRST + timedelta(days=5))
    assert len(first) == 6
    before = {path: path.read_bytes() for path in first}
    later = write_samples(tmp_path, name, FIRST, FIRST + timedelta(days=7))
    assert [path.name[:17] for path in later] == ["events-2026-03-08", "events-2026-03-09"]
    assert {path: path.read_bytes() for path in first} == before
