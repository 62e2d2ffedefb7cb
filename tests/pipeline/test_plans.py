"""The demo of every other sample, end to end, held against plain Python over the events that its generator makes."""

import json
import re
import statistics
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from analytics_pipeline.samples.generators import Event, generator_of
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.read import plan_path
from analytics_pipeline.warehouse.connection import open_warehouse

AS_OF = datetime(2026, 6, 1, 8, tzinfo=UTC)
LATEST = timedelta(days=3)
"""An event is delivered at most this much later; those of the last days may not have come yet."""

NAMES = ("ride_hailing", "rental", "appointments", "ai_platform")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize(
        "name", [pytest.param(name, marks=pytest.mark.xdist_group(f"plan {name}")) for name in NAMES], scope="module"
    ),
]

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Days = dict[date, list[Event]]


def _facts(events: list[Event], name: str, fact: str) -> list[Any]:
    return [e["properties"][fact] for e in events if e["event_name"] == name and e["properties"].get(fact) is not None]


def _values(events: list[Event], name: str) -> float:
    return sum(e["value"] for e in events if e["event_name"] == name)


def _count(events: list[Event], *names: str) -> int:
    return sum(e["event_name"] in names for e in events)


def _ratio(over: float, under: float) -> float | None:
    return over / under if under else None


def _latencies(events: list[Event]) -> list[float]:
    return [
        e["properties"]["latency_ms"] for e in events if e["event_name"] == "api.request" and e["properties"]["status"] == 200
    ]


def _error_rate(events: list[Event]) -> float | None:
    failed = sum(status >= 500 for status in _facts(events, "api.request", "status"))
    return _ratio(failed, _count(events, "api.request"))


def _earned_in_the_middle(events: list[Event]) -> float | None:
    earned: Counter[str] = Counter()
    for event in (e for e in events if e["event_name"] == "trip.completed"):
        earned[event["user_id"]] += event["value"]
    return statistics.median(earned.values()) if earned else None


EXPECTED: dict[str, dict[str, Callable[[list[Event]], float | None]]] = {
    "ride_hailing": {
        "bookings": lambda day: _count(day, "booking.created"),
        "net_fares": lambda day: _values(day, "payment.success") - _values(day, "payment.refunded"),
        "payment_success_rate": lambda day: _ratio(_count(day, "payment.success"), _count(day, "payment.initiated")),
        "driver_earnings_p50": _earned_in_the_middle,
    },
    "rental": {
        "listing_views": lambda day: _count(day, "listing.viewed"),
        "empty_search_rate": lambda day: _ratio(_facts(day, "search", "results").count(0), _count(day, "search")),
        "leases": lambda day: _count(day, "lease.signed"),
    },
    "appointments": {
        "no_show_rate": lambda day: _ratio(
            _count(day, "appointment.missed"), _count(day, "appointment.missed", "appointment.attended")
        ),
        "average_score": lambda day: _ratio(
            sum(_facts(day, "evaluation.completed", "score")), _count(day, "evaluation.completed")
        ),
        "utilization": lambda day: _ratio(
            sum(_facts(day, "appointment.attended", "minutes")), sum(_facts(day, "staff.shift", "capacity_minutes"))
        ),
    },
    "ai_platform": {
        "error_rate": _error_rate,
        "latency_p50": lambda day: statistics.median(_latencies(day)),
        "latency_p95": lambda day: statistics.quantiles(_latencies(day), n=100, method="inclusive")[94],
        "active_accounts": lambda day: len(set(_facts(day, "api.request", "account"))),
    },
}
"""Some KPIs of each plan, most of them headlines, as functions of the events of a local day."""

EXCLUDED: dict[str, Callable[[Event], bool]] = {
    "ride_hailing": lambda e: e["properties"].get("internal") is True,
    "rental": lambda e: e["properties"].get("source") == "crawler" or e["properties"].get("is_internal") is True,
    "appointments": lambda e: e["properties"].get("agent") == "monitor" or e["properties"].get("is_training") is True,
    "ai_platform": lambda e: e["platform"] == "synthetic-monitor",
}

DAILY_USERS = {"ride_hailing": "daily_active_users", "rental": "daily_active_seekers", "ai_platform": "daily_active_users"}

INCIDENTS = {
    "ride_hailing": ("outage_day", "payment_success_rate"),
    "rental": ("outage_day", "empty_search_rate"),
    "appointments": ("strike_day", "no_show_rate"),
    "ai_platform": ("outage_day", "error_rate"),
}
"""The planted day, and the watched KPI that has to tell of it."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


@pytest.fixture
def home(root: Path, name: str, run_cli: Run) -> Path:
    """The plan's own home below the root; the first test that asks for it runs the demo."""
    home, output = root / name, root / f"{name}.txt"
    if not output.exists():
        done = run_cli(root, "demo", "--plan", name, "--as-of", AS_OF.isoformat())
        output.write_text(done.stdout + done.stderr)
        assert done.returncode == 0, output.read_text()
    return home


@pytest.fixture
def db(home: Path) -> Iterator[psycopg.Connection]:
    with open_warehouse(Settings(home=home)) as warehouse, warehouse.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def plan(name: str) -> dict[str, Any]:
    return yaml.safe_load(plan_path(name).read_text())


@pytest.fixture
def marker(home: Path) -> dict[str, Any]:
    return json.loads((home / "sample.json").read_text())


@pytest.fixture
def days(name: str, db: psycopg.Connection, marker: dict[str, Any]) -> Days:
    """The generated events by local day, less those that nobody delivered yet and those that the plan leaves out."""
    first, last = date.fromisoformat(marker["first_day"]), date.fromisoformat(marker["last_day"])
    generator, found = generator_of(name), defaultdict(list)
    # Kinds with a `keep` have left raw by now; those that count are where the models keep them.
    query = "select event_id from raw.events union select event_id from build_intermediate.int_events"
    arrived = {str(row[0]) for row in db.execute(query)}
    for event in (e for day in generator.generate(first, (last - first).days + 1) for e in day):
        day = event["occurred_at"].astimezone(generator.ZONE).date()
        assert event["event_id"] in arrived or day > last - LATEST or EXCLUDED[name](event), event
        if day <= last and event["event_id"] in arrived and not EXCLUDED[name](event):
            found[day].append(event)
    assert len(found) == (last - first).days + 1
    return found


def _kpi(db: psycopg.Connection, kpi: str) -> dict[date, float | None]:
    query = """
    select period_date, value::float8 from kpi.kpi_values
    where kpi_name = %s and grain = 'day' and dimension = 'all' and not is_partial
    """
    return dict(db.execute(query, (kpi,)).fetchall())


def test_the_demo_works_and_all_gates_let_it_pass(root: Path, home: Path, name: str, db: psycopg.Connection) -> None:
    assert "checks passed" in (root / f"{name}.txt").read_text()
    query = """
    select gate, count(*) filter (where passed), count(*) filter (where not passed and severity = 'blocking')
    from ops.quality_results group by gate
    """
    checks = {gate: counts for gate, *counts in db.execute(query).fetchall()}
    assert len(checks) >= 2
    assert all(passed > 10 and blocking == 0 for passed, blocking in checks.values()), checks
    assert db.execute("select distinct status from ops.builds").fetchall() == [("published",)]
    report = (home / "reports" / "executive-2026-05-31.html").read_text()
    assert re.findall(r">[^<>]*(?:\d\.00 [a-z]| 1 days|None|\bnan\b|\b[A-Z]{3} \d)[^<>]*<", report) == []


def test_every_kpi_has_a_value_on_most_days_and_at_each_of_its_grains(
    name: str, plan: dict[str, Any], db: psycopg.Connection, marker: dict[str, Any]
) -> None:
    whole = (date.fromisoformat(marker["last_day"]) - date.fromisoformat(marker["first_day"])).days + 1
    query = "select kpi_name, grain, count(value) from kpi.kpi_values where dimension = 'all' and not is_partial group by 1, 2"
    found = {(kpi, grain): count for kpi, grain, count in db.execute(query).fetchall()}
    assert set(found) == {
        (kpi, grain) for kpi, keys in plan["kpis"].items() for grain in keys.get("grains", ["day", "week", "month"])
    }
    assert {kpi: count for (kpi, grain), count in found.items() if grain == "day" and count <= whole / 2} == {}


def test_kpis_equal_what_plain_python_counts_in_the_generated_events(
    name: str, db: psycopg.Connection, days: Days, plan: dict[str, Any]
) -> None:
    assert sum(bool(plan["kpis"][kpi].get("headline")) for kpi in EXPECTED[name]) >= 2
    for kpi, expected in EXPECTED[name].items():
        found = _kpi(db, kpi)
        assert found == {day: pytest.approx(expected(events)) for day, events in days.items()}, kpi


def test_daily_active_persons_equal_those_of_a_plain_join_of_visitors_and_users(
    name: str, db: psycopg.Connection, days: Days, plan: dict[str, Any]
) -> None:
    quiet = {event for event, keys in plan["events"].items() if keys.get("activity") is False}
    links = [e for events in days.values() for e in events if e["user_id"] and e["anonymous_id"]]
    owners = {e["anonymous_id"]: e["user_id"] for e in sorted(links, key=lambda e: (e["occurred_at"], e["event_id"]))}
    persons = {
        day: {
            ("u", e["user_id"] or owners[e["anonymous_id"]])
            if e["user_id"] or e["anonymous_id"] in owners
            else ("a", e["anonymous_id"])
            for e in events
            if e["event_name"] not in quiet and (e["user_id"] or e["anonymous_id"])
        }
        for day, events in days.items()
    }
    if name in DAILY_USERS:
        assert _kpi(db, DAILY_USERS[name]) == {day: len(found) for day, found in persons.items()}
    query = "select day, mau from marts.fct_active_users where dimension = 'all'"
    monthly = {day: len(set().union(*(persons.get(day - timedelta(days=k), set()) for k in range(30)))) for day in persons}
    assert {day: count for day, count in db.execute(query).fetchall() if day in persons} == monthly


def test_the_planted_day_stands_out(name: str, db: psycopg.Connection, marker: dict[str, Any], plan: dict[str, Any]) -> None:
    story, kpi = INCIDENTS[name]
    assert plan["kpis"][kpi]["watch"]
    query = "select period_date::text from ml.anomalies where kpi_name = %s and dimension = 'all' order by score desc"
    assert marker["planted"][story] in [row[0] for row in db.execute(query, (kpi,)).fetchall()[:3]]


def test_every_analysis_of_the_plan_has_rows(plan: dict[str, Any], db: psycopg.Connection) -> None:
    funnels = db.execute(
        "select funnel, step, sum(persons) from marts.fct_funnel where dimension = 'all' group by 1, 2"
    ).fetchall()
    assert {row[:2] for row in funnels} == {
        (funnel, step) for funnel, keys in plan["funnels"].items() for step in range(1, len(keys["steps"]) + 1)
    }
    assert [row for row in funnels if row[2] == 0] == []
    cells = "select retention, period from marts.fct_retention where dimension = %s and persons > 0 group by 1, 2"
    for retention, keys in plan["retentions"].items():
        for dimension in ["all", *keys.get("dimensions", [])]:
            found = {row[1] for row in db.execute(cells, (dimension,)).fetchall() if row[0] == retention}
            assert found >= {0, 1, 2, 3}, (retention, dimension)
    for key, column, table in (
        ("flows", "flow", "fct_transitions"),
        ("conversions", "conversion", "fct_conversions"),
    ):
        named = db.execute(f"select distinct {column} from marts.{table}").fetchall()  # type: ignore[arg-type]
        assert {row[0] for row in named} == set(plan[key]), key
    assert {row[0] for row in db.execute("select distinct kpi_name from ml.forecasts").fetchall()} == {
        kpi for kpi, keys in plan["kpis"].items() if keys.get("forecast")
    }


def test_again_there_is_nothing_new(root: Path, home: Path, name: str, run_cli: Run) -> None:
    done = run_cli(root, "demo", "--plan", name, "--as-of", AS_OF.isoformat())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing new" in done.stdout
