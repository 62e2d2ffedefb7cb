"""Random histories through dbt itself, held against a naive second implementation and against a full refresh."""

import itertools
import json
import random
import uuid
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from tests.conftest import Builder

ZONE = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 3, 22, tzinfo=UTC)  # the clock changes on the 29th
TIMEOUT, LONGEST, WINDOW = timedelta(minutes=30), timedelta(hours=24), timedelta(days=2)
Event = dict[str, Any]


def history(rng: random.Random, size: int) -> list[Event]:
    """Few persons and few instants, so that ties, links and long sessions happen."""
    events = []
    for _ in range(size):
        minutes = rng.choice([0, 15, 30, 31, 60]) + 30 * rng.randrange(2 * 24 * 12)
        user = rng.choice(["u1", "u2", "u3", None, None])
        events.append(
            {
                "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "event_name": rng.choices(["view", "cart", "buy", "ping"], [6, 3, 2, 1])[0],
                "occurred_at": FIRST + timedelta(minutes=minutes),
                "user_id": user,
                "anonymous_id": rng.choice(["a1", "a2", "a3", "a4", None]),
                "session_id": rng.choice([None, None, None, "s1"]) if user else None,
                "country": rng.choice(["DE", "AT", None]),
                "value": rng.choice([10, 2.5]),
            }
        )
    return events


def load(builder: Builder, path: Path, events: list[Event]) -> None:
    lines = [
        {**e, "occurred_at": e["occurred_at"].isoformat(), "received_at": (FIRST + timedelta(days=20)).isoformat()}
        for e in events
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    assert load_file(builder.connection, path, load_mapping("envelope"), "envelope").outcome == "loaded"


class Naive:
    """SEMANTICS in plain Python: slow, obvious, and written apart from the SQL."""

    def __init__(self, events: list[Event], as_of: datetime) -> None:
        self.as_of = as_of
        self.events = sorted((e for e in events if e["occurred_at"] <= as_of), key=lambda e: (e["occurred_at"], e["event_id"]))
        links = {e["anonymous_id"]: e["user_id"] for e in self.events if e["anonymous_id"] and e["user_id"]}
        self.persons: dict[str, list[Event]] = defaultdict(list)
        for e in self.events:
            user = e["user_id"] or links.get(e["anonymous_id"])
            if user or e["anonymous_id"]:
                self.persons[f"u:{user}" if user else f"a:{e['anonymous_id']}"].append(e)

    @staticmethod
    def day(e: Event) -> date:
        return e["occurred_at"].astimezone(ZONE).date()

    def active_days(self) -> dict[str, set[date]]:
        return {p: {self.day(e) for e in es if e["event_name"] != "ping"} for p, es in self.persons.items()}

    def active_users(self) -> dict[date, tuple[int, int, int]]:
        active = self.active_days()
        days = {self.day(e) for e in self.events}
        first, last = min(days), self.as_of.astimezone(ZONE).date()
        spans = (1, 7, 30)
        return {
            d: tuple(sum(any(d - timedelta(days=n) < a <= d for a in days_) for days_ in active.values()) for n in spans)  # type: ignore[misc]
            for d in (first + timedelta(days=i) for i in range((last - first).days + 1))
        }

    def sessions(self) -> set[tuple[str, datetime, datetime, int, int, bool]]:
        found = set()
        for person, events in self.persons.items():
            groups: dict[str, list[Event]] = defaultdict(list)
            previous: Event | None = None
            group = ""
            for e in (e for e in events if e["event_name"] != "ping"):
                if e["session_id"]:
                    group = "tracker " + e["session_id"]
                elif previous is None or e["occurred_at"] - previous["occurred_at"] > TIMEOUT:
                    group = "gap " + e["event_id"]
                groups[group].append(e)
                previous = e
            for members in groups.values():
                rest = members
                while rest:
                    piece = [e for e in rest if e["occurred_at"] <= rest[0]["occurred_at"] + LONGEST]
                    rest = rest[len(piece) :]
                    views = sum(e["event_name"] == "view" for e in piece)
                    converted = any(e["event_name"] == "buy" for e in piece)
                    found.add(
                        (
                            person,
                            piece[0]["occurred_at"],
                            piece[-1]["occurred_at"],
                            len(piece),
                            views,
                            views == 1 and not converted,
                        )
                    )
        return found

    def funnel(self) -> dict[tuple[str, date], int]:
        """Depth of the deepest attempt of each person and entry day, trying every way of choosing events."""
        best: dict[tuple[str, date], int] = {}
        for person, events in self.persons.items():
            for start in (e for e in events if e["event_name"] == "view"):
                until = start["occurred_at"] + WINDOW
                depth, at = 1, start["occurred_at"]
                for name in ("cart", "buy"):
                    later = [e["occurred_at"] for e in events if e["event_name"] == name and at <= e["occurred_at"] <= until]
                    if not later:
                        break
                    depth, at = depth + 1, min(later)
                key = (person, self.day(start))
                best[key] = max(best.get(key, 0), depth)
        return best

    def weekly_retention(self) -> dict[tuple[date, int], int]:
        """Persons by first active week and weeks since."""
        cells: dict[tuple[date, int], int] = defaultdict(int)
        for days in self.active_days().values():
            weeks = {d - timedelta(days=d.weekday()) for d in days}
            for week in weeks:
                cells[(min(weeks), (week - min(weeks)).days // 7)] += 1
        return dict(cells)

    def daily_retention(self) -> dict[tuple[date, int], int]:
        cells: dict[tuple[date, int], int] = defaultdict(int)
        active = self.active_days()
        for person, events in self.persons.items():
            starts = {self.day(e) for e in events if e["event_name"] == "view"}
            for start, day in itertools.product(starts, active[person] | starts):
                if day >= start:
                    cells[(start, (day - start).days)] += 1
        return dict(cells)

    def revenue(self) -> dict[tuple[date, str], float]:
        totals: dict[tuple[date, str], float] = defaultdict(float)
        for e in (e for e in self.events if e["event_name"] == "buy"):
            totals[(self.day(e), "all")] += e["value"]
            totals[(self.day(e), e["country"] or "(none)")] += e["value"]
        return dict(totals)


def assert_like(builder: Builder, naive: Naive) -> None:
    query = builder.connection.execute
    rows = query("select day, dau, wau, mau from marts.fct_active_users where dimension = 'all'").fetchall()
    assert {r[0]: r[1:] for r in rows} == naive.active_users()
    rows = query("select person_key, started_at, ended_at, events, page_views, is_bounce from marts.fct_sessions").fetchall()
    assert len(rows) == len(set(rows))
    assert set(rows) == naive.sessions()
    rows = query("select person_key, entry_day, depth from marts.fct_funnel_attempts").fetchall()
    assert {(r[0], r[1]): r[2] for r in rows} == naive.funnel()
    retention = """
        select cohort_start, period, persons from marts.fct_retention where retention = %s and persons > 0 and dimension = 'all'
    """
    today = naive.as_of.astimezone(ZONE).date()
    weekly = {k: v for k, v in naive.weekly_retention().items() if k[1] == 0 or k[0] + timedelta(weeks=k[1] + 1) <= today}
    assert {(r[0], r[1]): r[2] for r in query(retention, ("weekly",)).fetchall()} == weekly
    daily = {
        k: v
        for k, v in naive.daily_retention().items()
        if k[1] == 0 or (k[1] <= 10 and k[0] + timedelta(days=k[1] + 1) <= today)
    }
    assert {(r[0], r[1]): r[2] for r in query(retention, ("daily",)).fetchall()} == daily
    rows = query(
        "select period_date, dimension_value, value::float8 from kpi.kpi_values where kpi_name = 'revenue' and value <> 0 and grain = 'day'"
    ).fetchall()
    assert {(r[0], r[1]): r[2] for r in rows} == naive.revenue()


@pytest.mark.parametrize("seed", [1, 2])
def test_builds_step_by_step_equal_the_naive_answer_and_a_full_refresh(builder: Builder, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    events = history(rng, 160)
    batches = [events[:70], events[70:110] + rng.sample(events[:70], 10), events[110:]]
    moments = [FIRST + timedelta(days=d, hours=5) for d in (8, 10, 13)]
    for number, (batch, as_of) in enumerate(zip(batches, moments, strict=True)):
        load(builder, tmp_path / f"{number}.ndjson", rng.sample(batch, len(batch)))
        builder.build(as_of)
    assert builder.connection.execute("select count(*) from raw.events").fetchone() == (160,)
    assert builder.connection.execute("select array_agg(is_full order by started_at) from ops.builds").fetchone() == (
        [True, False, False],
    )
    assert_like(builder, Naive(events, moments[-1]))
    stepwise = builder.published()
    builder.build(moments[-1], full_refresh=True)
    assert builder.published() == stepwise


def test_a_batch_that_commits_after_the_freeze_waits_for_the_next_build_and_a_build_left_unpublished_does_no_harm(
    builder: Builder, tmp_path: Path
) -> None:
    rng = random.Random(3)
    events = history(rng, 120)
    as_of = FIRST + timedelta(days=13)
    load(builder, tmp_path / "1.ndjson", events[:60])
    builder.build(as_of)
    load(builder, tmp_path / "2.ndjson", events[60:90])
    builder.build(as_of, publish=False)
    load(builder, tmp_path / "3.ndjson", events[90:])
    assert builder.connection.execute("select count(*) from ops.hidden_batches").fetchone() == (1,)
    assert builder.connection.execute("select count(distinct batch_id) from build_staging.stg_raw__events").fetchone() == (2,)
    builder.build(as_of)
    assert_like(builder, Naive(events, as_of))
    assert builder.connection.execute("select count(*) from ops.changes where consumed_by is null").fetchone() == (0,)


def test_numbers_begin_with_the_first_event_even_if_nobody_did_it(builder: Builder, tmp_path: Path) -> None:
    nobody = {"event_name": "buy", "user_id": None, "anonymous_id": None, "session_id": None, "country": "DE", "value": 5}
    somebody = {**nobody, "event_name": "view", "user_id": "u1"}
    load(
        builder,
        tmp_path / "1.ndjson",
        [
            {**nobody, "event_id": "x", "occurred_at": FIRST},
            {**somebody, "event_id": "y", "occurred_at": FIRST + timedelta(days=4)},
        ],
    )
    builder.build(FIRST + timedelta(days=5))
    rows = builder.connection.execute(
        "select period_date, value::int, is_partial from kpi.kpi_values where kpi_name = 'revenue' and dimension = 'all' and grain = 'day' order by 1"
    ).fetchall()
    assert [r[1] for r in rows] == [5, 0, 0, 0, 0, 0]
    assert [r[2] for r in rows] == [False] * 5 + [True]
