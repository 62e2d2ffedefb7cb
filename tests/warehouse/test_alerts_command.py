"""`alerts list`, `alerts test` and `alerts retry`, and the alerts of `status`, as a user meets them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.incidents import close_incident, open_incident
from tests.conftest import PLAN, publish_text
from tests.warehouse.receivers import PATH, chat_server, mail_server

Run = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.only_on("embedded", "the commands are processes of their own")


def start(connection: psycopg.Connection, incident: str = "gate:raw") -> None:
    open_incident(connection, incident, severity="critical", title="Raw events are held", body="5 rows", owner="finance")


def test_alerts_list_says_what_is_wrong_and_who_knows(
    warehouse: Warehouse, planned: psycopg.Connection, tmp_path: Path, run_cli: Run
) -> None:
    there = {"ANALYTICS_DATABASE_URL": warehouse.url}
    assert run_cli(tmp_path, "alerts", "list", **there).stdout == "Nothing is wrong that anybody knows of.\n"
    start(planned)
    start(planned, "gate:build")
    with chat_server() as chat:
        chat.answers = [(404, {}, b"no_service")]
        done = run_cli(tmp_path, "alerts", "retry", ANALYTICS_ALERT_WEBHOOK_URL=chat.url, **there)
        assert done.stdout.splitlines() == [
            "3 delivered, 0 to be tried again, 1 given up.",
            "    webhook: HTTP 404: no_service",
        ]
        listed = run_cli(tmp_path, "alerts", "list", **there).stdout
        assert listed.count("Critical: Raw events are held") == 2
        for part in ("5 rows", "Owner: finance", "Incident: gate:raw", "file, opened: told", "webhook, opened: told"):
            assert f"    {part}\n" in listed
        assert "    webhook, opened: NOT TOLD, given up after 1 attempt (HTTP 404: no_service)\n" in listed
        done = run_cli(tmp_path, "alerts", "retry", ANALYTICS_ALERT_WEBHOOK_URL=chat.url, **there)
        assert done.stdout.startswith("1 delivered")
        assert len(chat.texts) == 2
    close_incident(planned, "gate:build", "Released.")
    assert run_cli(tmp_path, "alerts", "list", **there).stdout.count("Raw events are held") == 1
    assert "Over: Raw events are held\n    Released." in run_cli(tmp_path, "alerts", "list", "--all", **there).stdout


def test_status_shows_open_alerts(warehouse: Warehouse, planned: psycopg.Connection, tmp_path: Path, run_cli: Run) -> None:
    start(planned)
    there = {"ANALYTICS_DATABASE_URL": warehouse.url}
    assert "ALERT      critical, since 20" in run_cli(tmp_path, "status", **there).stdout
    (alert,) = json.loads(run_cli(tmp_path, "status", "--json", **there).stdout)["alerts"]
    assert (alert["incident"], alert["owner"], alert["occurrences"]) == ("gate:raw", "finance", 1)
    close_incident(planned, "gate:raw")
    assert "ALERT" not in run_cli(tmp_path, "status", **there).stdout


def test_alerts_test_says_of_each_channel_what_became_of_a_message(
    warehouse: Warehouse, planned: psycopg.Connection, tmp_path: Path, run_cli: Run
) -> None:
    there = {"ANALYTICS_DATABASE_URL": warehouse.url}
    done = run_cli(tmp_path / "home", "alerts", "test", **there)
    assert done.returncode == 0
    assert [line[:8] for line in done.stdout.splitlines()] == ["· webhoo", "· email:", "✓ file /"]
    assert "ANALYTICS_ALERT_WEBHOOK_URL" in done.stdout and "ANALYTICS_SMTP_URL" in done.stdout
    publish_text(planned, tmp_path, PLAN + "alerts: {owners: {finance: [fin@example.com], data: [data@example.com]}}\n")
    with chat_server() as chat, mail_server() as box:
        there |= {"ANALYTICS_ALERT_WEBHOOK_URL": chat.url, "ANALYTICS_SMTP_URL": f"smtp://127.0.0.1:{box.port}"}
        box.refusals = ["550 who?"]
        done = run_cli(tmp_path / "home", "alerts", "test", ANALYTICS_ALERT_EMAIL="fin@example.com,ops@example.com", **there)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert done.stdout.splitlines()[:4] == [
            "✓ webhook: sent",
            "✗ email data@example.com: SMTP 550: who?",
            "✓ email fin@example.com: sent",
            "✓ email ops@example.com: sent",
        ]
        assert "This is a test" in chat.texts[0] and len(box.mails) == 2
    done = run_cli(tmp_path / "home", "alerts", "test", **there)
    assert done.returncode == 1
    assert "✗ webhook: can't be reached (Connection refused)" in done.stdout
    assert PATH not in done.stdout + done.stderr
    assert planned.execute("select count(*) from ops.alerts").fetchone() == (0,)
    assert planned.execute("select count(*) from ops.alert_deliveries").fetchone() == (0,)
