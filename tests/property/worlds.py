"""Random small worlds: a plan's settings and events, as the package reads them and as the oracle does."""

import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import yaml

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.modelling.publish import publish_build
from analytics_pipeline.quality.holds import release_pending
from tests.conftest import publish_text
from tests.oracle.events import Event, Expression, Persons, Plan, Selector, identify, local_day, named, visible
from tests.property.compiled import CompiledProject

# Zone and a day on which its clock changes; Havana shows midnight twice in November, Santiago skips one in September.
CLOCKS = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("America/Havana", date(2025, 11, 2)),
    ("America/Santiago", date(2025, 9, 7)),
    ("Asia/Kolkata", date(2026, 1, 1)),
    ("UTC", date(2026, 2, 28)),
]
OFFSETS = [timedelta(minutes=m) for m in (0, 15, 30, 31, 60)]
TICK = timedelta(microseconds=1)
Row = dict[str, Any]


def prop(name: str) -> Expression:
    return lambda event: event.properties.get(name)


def column(name: str) -> Expression:
    return lambda event: getattr(event, name)


EXPRESSIONS: dict[str, Expression] = {
    "country": column("country"),
    "plan": prop("plan"),
    "properties.plan": prop("plan"),
    "device_type": column("device_type"),
    "event_name": column("event_name"),
    "user_id": column("user_id"),
}


def of_country(event: Event) -> bool:
    return event.country == "DE"


def is_dear(event: Event) -> bool:
    return event.value is not None and event.value > 5


@dataclass
class World:
    """One random history under one random plan.

    Attributes:
        document: the plan as YAML would give it.
        plan: the same for the oracle.
        rows: the events as they are loaded.
        as_of: of the build.
        first: the first local day that anything may happen on.
        last: the last one.
    """

    rng: random.Random
    document: Row
    plan: Plan
    rows: list[Row]
    as_of: datetime
    first: date
    last: date
    events: list[Event] = field(default_factory=list)
    persons: Persons = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Testers don't count."""
        self.events = [e for e in map(event_of, self.rows) if e.properties.get("tester") != "yes"]
        self.persons = identify(self.events, self.plan, self.as_of)

    @property
    def seen(self) -> list[Event]:
        return visible(self.events, self.as_of)

    def publish(self, connection: psycopg.Connection, project: CompiledProject, folder: Path) -> None:
        """Load the events in random order, build, publish."""
        publish_text(connection, folder, yaml.safe_dump(self.document))
        path = folder / f"{uuid.uuid4()}.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in self.rng.sample(self.rows, len(self.rows))))
        load_file(connection, path, load_mapping("envelope"), "envelope")
        release_pending(connection)
        build = begin_build(connection, self.as_of, full_refresh=True)
        project.build(connection, build)
        publish_build(connection, build)


def event_of(row: Row) -> Event:
    value = row["value"]
    return Event(
        uuid.UUID(row["event_id"]),
        row["event_name"],
        datetime.fromisoformat(row["occurred_at"]),
        value=None if value is None else Decimal(str(value)),
        **{k: v for k, v in row.items() if k not in {"event_id", "event_name", "occurred_at", "received_at", "value"}},
    )


def random_world(rng: random.Random, base: Row, *, mode: str | None = None) -> World:
    """A world near a day on which some clock changes."""
    zone, changes = rng.choice(CLOCKS)
    span = rng.choice([2, 4, 9, 9, 20, 70])
    first = changes - timedelta(days=rng.randrange(span))
    week_start = rng.choice(["monday", "sunday"])
    mode = mode or rng.choice(["last_known", "last_known", "first_known", "none"])
    timeout, longest = rng.choice(["30m", "15m", "1h", "24h"]), rng.choice([1, 2, 24, 47])
    kinds = {
        "view": {"page": True},
        "cart": rng.choice([{}, {}, {"page": True}]),
        "buy": {},
        "back": {"activity": False},
        "ping": {"activity": rng.random() < 0.3},
    }
    rates = rng.choice([base["rates"], {}, {"USD": {first + timedelta(days=1): 0.5, first + timedelta(days=2): 0.25}}])
    document = {
        **base,
        "timezone": zone,
        "week_start": week_start,
        "identity": mode,
        "session_timeout": timeout,
        "max_session_hours": longest,
        "events": kinds,
        "rates": rates,
    }
    plan = Plan(
        zone,
        week_start,  # type: ignore[arg-type]
        mode,  # type: ignore[arg-type]
        timedelta(seconds=int(timeout[:-1]) * {"m": 60, "h": 3600}[timeout[-1]]),
        timedelta(hours=longest),
        activity=lambda e: bool(kinds.get(e.event_name, {}).get("activity", True)),
        page=lambda e: bool(kinds.get(e.event_name, {}).get("page", False)),
        conversion=named("buy"),
        currency="EUR",
        rates={c: {day: Decimal(str(rate)) for day, rate in of.items()} for c, of in rates.items()},
    )
    instants = random_instants(rng, zone, first, span, changes)
    rows = [random_row(rng, rng.choice(instants)) for _ in range(rng.choice([rng.randrange(6), 30, 40, 60, 80, 80]))]
    begin = datetime.combine(first, time(), ZoneInfo(zone)).astimezone(UTC)
    ends = datetime.combine(first + timedelta(days=rng.randint(1, span + 3)), time(), ZoneInfo(zone)).astimezone(UTC)
    late = [begin + timedelta(days=span + rest) for rest in (0, 1, 9, 40)]
    as_of = rng.choice([*late, ends, max(instants), rng.choice(instants), begin + timedelta(hours=rng.randrange(24 * span))])
    return World(rng, document, plan, rows, as_of, first, first + timedelta(days=span))


def random_instants(rng: random.Random, zone: str, first: date, span: int, changes: date) -> list[datetime]:
    """Few, so that many events share one: round ones, local midnights, and ones a window apart."""
    found: list[datetime] = []
    for _ in range(rng.choice([4, 12, 40])):
        day = changes if rng.random() < 0.3 else first + timedelta(days=rng.randrange(span))
        midnight = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
        pick = rng.random()
        if found and pick < 0.4:
            moment = rng.choice(found) + rng.choice([timedelta(hours=12), timedelta(days=1), timedelta(days=2), *OFFSETS])
            moment += rng.choice([timedelta(0), timedelta(0), TICK])
        elif pick < 0.6:
            moment = midnight + rng.choice([timedelta(0), -TICK, timedelta(hours=1)])
        else:
            moment = midnight + timedelta(minutes=30 * rng.randrange(50)) + rng.choice(OFFSETS)
        found.append(moment)
    return found


def random_row(rng: random.Random, moment: datetime) -> Row:
    properties = {"plan": rng.choice(["a", "b", "c", "d"])} if rng.random() < 0.6 else {}
    return {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "event_name": rng.choices(["view", "cart", "buy", "back", "ping", "other"], [6, 4, 4, 1, 2, 1])[0],
        "occurred_at": moment.isoformat(),
        "received_at": (moment + timedelta(days=3)).isoformat(),
        "user_id": rng.choice(["u1", "u1", "u2", "u3", None, None, None]),
        "anonymous_id": rng.choice(["a1", "a1", "a2", "a3", None, None]),
        "session_id": rng.choice([None, None, None, None, "s1", "s2"]),
        "entity_type": rng.choice([None, "order", "case"]),
        "entity_id": rng.choice([None, "1", "2", "3"]),
        "country": rng.choice(["DE", "DE", "AT", "CH", None]),
        "device_type": rng.choice(["phone", "desk", None]),
        "value": rng.choice([10, 2.5, 7, None]),
        "currency": rng.choice([None, None, "EUR", "USD", "GBP"]),
        "properties": {**properties, "tester": "yes"} if rng.random() < 0.04 else properties,
    }


Picked = tuple[Any, Selector]


def selectors(plan: Plan) -> list[Picked]:
    """What a question may say, and what it means. Several of them meet the same events."""
    found: list[tuple[Any, Callable[[Event], bool]]] = [(name, named(name)) for name in ("view", "cart", "buy", "back", "ping")]
    found += [
        ("any", plan.activity),
        ("nothing", named("nothing")),
        ({"event": "view", "where": "country = 'DE'"}, lambda e: e.event_name == "view" and of_country(e)),
        ({"event": "any", "where": "properties.plan is not null"}, lambda e: plan.activity(e) and "plan" in e.properties),
        ({"where": "value > 5"}, is_dear),
        ({"where": "event_name in ('view', 'cart')"}, named("view", "cart")),
        ({"where": "not (country = 'DE')"}, lambda e: e.country is not None and not of_country(e)),
        ({"where": "event_name = 'buy' or country = 'DE'"}, lambda e: e.event_name == "buy" or of_country(e)),
    ]
    return found


def first_seen_day(world: World) -> date:
    """Local day of the first event, or of as_of where there is none."""
    today = local_day(world.as_of, world.plan)
    return min((local_day(e.occurred_at, world.plan) for e in world.seen), default=today)
