"""The part of plan and settings on alerts, and what people read, without a server."""

import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics_pipeline.delivery.mail import mail_server
from analytics_pipeline.delivery.messages import Message, chat_text, mail_text
from analytics_pipeline.delivery.outcome import said
from analytics_pipeline.errors import PlanError, UsageError
from analytics_pipeline.settings import load_settings
from analytics_pipeline.tracking_plan.compile import CompiledPlan, compile_plan
from analytics_pipeline.tracking_plan.diff import changed_parts, differences
from analytics_pipeline.tracking_plan.read import read_plan
from tests.conftest import PLAN

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)


def compiled(folder: Path, alerts: str) -> CompiledPlan:
    path = folder / "plan.yml"
    path.write_text(PLAN + alerts)
    return compile_plan(read_plan(path), path)


@pytest.mark.parametrize("hours", ["from: 22:00, to: 7:05", 'from: "22:00", to: "07:05"', "to: 07:05, from: '22:00'"])
def test_a_time_of_day_is_read_with_and_without_quotes(tmp_path: Path, hours: str) -> None:
    plan = compiled(tmp_path, f"alerts: {{owner: data, owners: {{data: [a@b.example]}}, quiet_hours: {{{hours}}}}}\n")
    assert plan.tables["alerting"] == [
        {"default_owner": "data", "quiet_from": time(22), "quiet_to": time(7, 5), "hold": "warnings"}
    ]
    assert plan.tables["owners"] == [{"owner": "data", "emails": ["a@b.example"]}]
    written = plan.tables["plan"][0]["document"]["alerts"]["quiet_hours"]
    assert written == {"from": "22:00", "to": "07:05", "hold": "warnings"}


@pytest.mark.parametrize(
    ("alerts", "words"),
    [
        ("quiet_hours: {from: 22:00, to: 24:00}", ["alerts.quiet_hours.to", 'write "22:00"']),
        ("quiet_hours: {from: 22:00:00, to: 6:00}", ["alerts.quiet_hours.from", 'write "22:00"']),
        ("quiet_hours: {from: ten, to: 6:00}", ["'ten'", 'write "22:00"']),
        ("quiet_hours: {from: 6:00, to: '06:00'}", ["both 06:00"]),
        ("quiet_hours: {from: 22:00, to: 6:00, hold: everything}", ["everything", "warnings"]),
        ("owners: {data: [nobody]}", ["'nobody'", "name@example.com"]),
        ("owners: {data: ['a@b.example, c@d.example']}", ["name@example.com"]),
        ("owners: {data: []}", ["alerts.owners.data"]),
        ("owner: ''", ["alerts.owner"]),
        ("webhook: https://x", ["alerts.webhook", "correct its name"]),
    ],
)
def test_a_mistake_in_the_alerts_of_a_plan_is_named(tmp_path: Path, alerts: str, words: list[str]) -> None:
    with pytest.raises(PlanError) as caught:
        compiled(tmp_path, f"alerts: {{{alerts}}}\n")
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_change_of_alerts_is_shown_and_builds_nothing_again(tmp_path: Path) -> None:
    before = compiled(tmp_path, "")
    after = compiled(tmp_path, "alerts: {owner: data, owners: {data: [a@b.example]}, quiet_hours: {from: 22:00, to: 6:00}}\n")
    assert before.plan_hash != after.plan_hash
    assert changed_parts(before.tables, after.tables) == set()
    assert [d.name for d in differences(before.tables, after.tables)] == ["alerts"]


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("ALERT_WEBHOOK_URL", "hooks.example/s3cret", "https://hooks.slack.com"),
        ("ALERT_WEBHOOK_URL", "ftp://hooks.example/s3cret", "https://hooks.slack.com"),
        ("ALERT_WEBHOOK_URL", "https://hooks.example:99999/s3cret", "https://hooks.slack.com"),
        ("SMTP_URL", "mail.example:587/s3cret", "smtp://user:password@host:587"),
        ("SMTP_URL", "https://u:s3cret@mail", "smtp://user:password@host:587"),
        ("SMTP_URL", "smtp://u:s3@cret@mail", "%40"),
        ("SMTP_URL", "smtp://u:s3/cret@mail", "%2F"),
        ("SMTP_URL", "smtp://u:s3#cret@mail", "%23"),
        ("SMTP_URL", "smtp://u:s3?cret@mail", "%3F"),
        ("SMTP_URL", "smtp://u:s3:cret@mail:port", "%3A"),
        ("SMTP_URL", "smtp://u:s3cret@mail?starttls=maybe", "?starttls=never"),
        ("ALERT_EMAIL", "a@b.example, nobody", "'nobody'"),
        ("ALERT_SENDER", "Bot <bot@b.example>", "name@example.com"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_without_showing_its_secret(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(f"ANALYTICS_{variable}", value)
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert remedy in str(caught.value) and f"ANALYTICS_{variable}" in str(caught.value)
    assert "s3" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 587, "", "", "starttls")),
        ("smtp://u%40x.example:p%2Fw%3A%40@mail.example:25", ("mail.example", 25, "u@x.example", "p/w:@", "starttls")),
        ("smtps://u:pw@mail.example", ("mail.example", 465, "u", "pw", "tls")),
        ("smtp://[::1]:2525?starttls=never", ("::1", 2525, "", "", "none")),
    ],
)
def test_an_address_of_a_mail_server_is_taken_apart(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: tuple[Any, ...]
) -> None:
    monkeypatch.setenv("ANALYTICS_SMTP_URL", url)
    found = load_settings().smtp_url
    assert found is not None
    server = mail_server(found.get_secret_value(), "")
    assert (server.host, server.port, server.user, server.password, server.security) == expected
    assert "pw" not in repr(server) and "p/w" not in repr(server)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "under a minute"), (60, "1 min"), (7500, "2 h 5 min"), (7200, "2 h"), (90000, "1 d 1 h"), (86400, "1 d")],
)
def test_the_length_of_an_incident_is_said_in_words(seconds: int, words: str) -> None:
    message = Message(
        event="closed", alert_id=1, incident="gate:raw", severity="critical", owner="data", title="T", body="B",
        opened_at=AT, last_seen_at=AT, closed_at=AT + timedelta(seconds=seconds), zone="Asia/Tokyo",
    )  # fmt: skip
    assert f"({words})" in chat_text(message)
    assert "2026-06-01 19:00 JST" in mail_text(message)


def test_a_long_body_is_cut(tmp_path: Path) -> None:
    message = Message(
        event="opened", alert_id=1, incident="gate:raw", severity="critical", owner="data", title="T" * 90, body="x" * 90000,
        opened_at=AT, last_seen_at=AT,
    )  # fmt: skip
    assert len(chat_text(message)) < 4000
    assert "cut here" in mail_text(message)


def test_what_a_receiver_says_is_kept_in_one_short_line_without_what_it_was_told() -> None:
    assert said(b"no\n  such \xff token\tabc/def", ["abc", "abc/def", ""]) == "no such \ufffd token ..."
    assert len(said("x" * 9999, [])) == 300


def test_nothing_heavy_is_imported_before_there_is_something_to_send() -> None:
    code = (
        "import sys, analytics_pipeline.commands.alerts, analytics_pipeline.delivery.deliver, analytics_pipeline.delivery.runs;"
        "print({'requests', 'jinja2', 'smtplib', 'dagster', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
