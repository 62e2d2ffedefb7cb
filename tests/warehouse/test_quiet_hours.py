"""Warnings wait while the plan's clocks show quiet hours, across midnight and where the clocks change."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from analytics_pipeline.delivery.deliver import Delivered, deliver_due
from analytics_pipeline.delivery.outbox import held_severities
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.incidents import close_incident, open_incident
from tests.conftest import PLAN, publish_text
from tests.warehouse.receivers import chat_server

CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 6, 1, tzinfo=UTC)),
]
SPANS = [("22:00", "07:00"), ("01:30", "02:30"), ("00:00", "06:00"), ("02:15", "02:00"), ("18:45", "00:00")]


def quiet_minutes(start: str, end: str) -> set[time]:
    """The naive way: wind a clock on from one time of day to the other."""
    hand, minutes = datetime.strptime(start, "%H:%M"), set()
    while f"{hand:%H:%M}" != end:
        minutes.add(hand.time())
        hand += timedelta(minutes=1)
    return minutes


def set_quiet(connection: psycopg.Connection, zone: str, start: str, end: str, hold: str = "warnings") -> None:
    connection.execute("update config.plan set timezone = %s", (zone,))
    connection.execute("update config.alerting set quiet_from = %s, quiet_to = %s, hold = %s", (start, end, hold))


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_it_is_quiet_exactly_while_the_clocks_on_the_wall_show_it(
    planned: psycopg.Connection, zone: str, change: datetime
) -> None:
    for start, end in SPANS:
        set_quiet(planned, zone, start, end)
        quiet = quiet_minutes(start, end)
        for minutes in range(-26 * 60, 26 * 60, 13):
            at = change + timedelta(minutes=minutes)
            on_the_wall = at.astimezone(ZoneInfo(zone)).time()
            assert held_severities(planned, at) == (["warning"] if on_the_wall in quiet else []), (start, end, on_the_wall)


def test_without_quiet_hours_or_without_a_plan_nothing_waits(connection: psycopg.Connection, tmp_path: Path) -> None:
    assert held_severities(connection, datetime.now(UTC)) == []
    publish_text(connection, tmp_path)
    assert held_severities(connection, datetime.now(UTC)) == []


@pytest.mark.parametrize("hold", ["warnings", "all"])
def test_what_is_held_goes_out_when_quiet_hours_end(connection: psycopg.Connection, tmp_path: Path, hold: str) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    local = now.astimezone(ZoneInfo("Europe/Berlin"))
    hours = f"{{from: '{local - timedelta(hours=1):%H:%M}', to: '{local + timedelta(hours=2):%H:%M}', hold: {hold}}}"
    publish_text(connection, tmp_path, PLAN + f"alerts: {{quiet_hours: {hours}}}\n")

    def start(incident: str, severity: Any) -> None:
        open_incident(connection, incident, severity=severity, title=incident, body="")

    with chat_server() as chat:
        settings = Settings(home=tmp_path, alert_webhook_url=chat.url)

        def told(minutes: int) -> set[str]:
            chat.texts.clear()
            deliver_due(connection, settings, now + timedelta(minutes=minutes))
            return {text.split("*")[1] for text in chat.texts}

        start("a:warning", "warning")
        start("a:rises", "warning")
        start("a:ends", "warning")
        start("a:critical", "critical")
        assert told(1) == ({"Critical: a:critical"} if hold == "warnings" else set())
        start("a:rises", "critical")
        close_incident(connection, "a:ends")
        close_incident(connection, "a:critical")
        assert told(2) == ({"Critical: a:rises", "Over: a:critical"} if hold == "warnings" else set())
        assert told(119) == set()
        first = {"Warning: a:warning"}
        assert told(121) == (first if hold == "warnings" else first | {"Critical: a:rises", "Over, was critical: a:critical"})
        assert told(600) == set()
        assert deliver_due(connection, settings, now + timedelta(minutes=600)) == Delivered()
