"""Alerts reach people, once each, through real receivers that are slow, rude, dead, or want a password."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analytics_pipeline.delivery.deliver import Delivered, deliver_due
from analytics_pipeline.delivery.outbox import MOST_ATTEMPTS, make_due
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.incidents import close_incident, open_incident
from tests.conftest import PLAN, publish_text
from tests.warehouse.receivers import PATH, Chat, Mailbox, chat_server, mail_server, make_certificate, wait_until

OWNERS = "alerts: {owner: data, owners: {finance: [fin@example.com, cfo@example.com], data: [data@example.com]}}\n"
DELIVER = """
import sys
from pathlib import Path
from analytics_pipeline.delivery.deliver import deliver_due
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import connect
url, home, webhook, times = sys.argv[1:]
with connect(url, autocommit=True) as connection:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(times)):
        deliver_due(connection, Settings(home=Path(home), alert_webhook_url=webhook))
"""


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chat_server() as chat:
        yield chat


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def start(connection: psycopg.Connection, incident: str = "gate:raw", **changes: Any) -> None:
    open_incident(connection, incident, **{"severity": "critical", "title": f"Trouble {incident}", "body": "Found", **changes})


def settings(home: Path, *receivers: Chat | Mailbox, **changes: Any) -> Settings:
    """Of a home whose alerts go to these receivers, and to a file."""
    found: dict[str, Any] = {"home": home}
    for receiver in receivers:
        if isinstance(receiver, Chat):
            found["alert_webhook_url"] = receiver.url
        else:
            found |= {"smtp_url": f"smtp://127.0.0.1:{receiver.port}", "alert_sender": "bot@shop.example"}
    return Settings(**{**found, **changes})


def lines(home: Path) -> list[tuple[str, str]]:
    """Events and incidents of the file."""
    path = home / "alerts.ndjson"
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(line["event"], line["incident"]) for line in found]


def deliveries(connection: psycopg.Connection, channel: str, columns: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"select {columns} from ops.alert_deliveries as d where channel = %s order by delivery_id".encode(), (channel,)
    ).fetchall()


def later(minutes: float) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def test_one_message_when_it_begins_and_one_when_it_is_over(
    planned: psycopg.Connection, tmp_path: Path, chat: Chat, mailbox: Mailbox
) -> None:
    to = settings(tmp_path, chat, mailbox, alert_email="a@example.com")
    for _ in range(3):
        start(planned)
        deliver_due(planned, to)
    assert (len(chat.texts), len(mailbox.mails), lines(tmp_path)) == (1, 1, [("opened", "gate:raw")])
    close_incident(planned, "gate:raw", "It was mended.")
    assert deliver_due(planned, to) == Delivered(delivered=3)
    assert deliver_due(planned, to) == deliver_due(planned, to, later(600)) == Delivered()
    assert [text.splitlines()[0] for text in chat.texts] == [
        ":red_circle: *Critical: Trouble gate:raw* (Small)",
        ":white_check_mark: *Over: Trouble gate:raw* (Small)",
    ]
    assert "It was mended." in chat.texts[1]
    assert lines(tmp_path) == [("opened", "gate:raw"), ("closed", "gate:raw")]
    start(planned)
    assert deliver_due(planned, to) == Delivered(delivered=3)


def test_a_warning_that_becomes_critical_is_told_once_again(planned: psycopg.Connection, tmp_path: Path, chat: Chat) -> None:
    to = settings(tmp_path, chat)
    for severity in ("warning", "warning", "critical", "critical", "warning"):
        start(planned, severity=severity)
        deliver_due(planned, to)
    close_incident(planned, "gate:raw")
    deliver_due(planned, to)
    assert [text.split("*")[1].split(":")[0] for text in chat.texts] == ["Warning", "Now critical", "Over"]


def test_what_was_over_before_anybody_was_told_is_one_message_if_critical_and_none_if_not(
    planned: psycopg.Connection, tmp_path: Path, chat: Chat
) -> None:
    for incident, severity in (("a:1", "critical"), ("a:2", "warning")):
        start(planned, incident, severity=severity)
        close_incident(planned, incident)
    assert deliver_due(planned, settings(tmp_path, chat)) == Delivered(delivered=2)
    assert deliver_due(planned, settings(tmp_path, chat), later(5)) == Delivered()
    assert [text.splitlines()[0] for text in chat.texts] == [":white_check_mark: *Over, was critical: Trouble a:1* (Small)"]
    assert "*Until*" in chat.texts[0]
    assert "What to do" not in chat.texts[0]


def test_a_warning_that_may_have_been_told_is_told_to_its_end(planned: psycopg.Connection, tmp_path: Path, chat: Chat) -> None:
    chat.answers = [(502, {}, b"")]
    start(planned, severity="warning")
    deliver_due(planned, settings(tmp_path, chat))
    close_incident(planned, "gate:raw")
    deliver_due(planned, settings(tmp_path, chat), later(3))
    assert [text.split("*")[1] for text in chat.texts] == ["Over, was warning: Trouble gate:raw"]


def test_what_is_critical_goes_first(planned: psycopg.Connection, tmp_path: Path, chat: Chat) -> None:
    for number in range(25):
        start(planned, f"a:{number}", severity="critical" if number == 24 else "warning")
    deliver_due(planned, settings(tmp_path, chat))
    assert "a:24" in chat.texts[0]
    assert len(chat.texts) == 20
    deliver_due(planned, settings(tmp_path, chat))
    assert len(chat.texts) == 25


def test_a_channel_that_is_added_hears_of_what_is_open_and_of_nothing_older(
    planned: psycopg.Connection, tmp_path: Path, chat: Chat
) -> None:
    for incident in ("a:open", "a:over"):
        start(planned, incident)
    deliver_due(planned, settings(tmp_path))
    close_incident(planned, "a:over")
    planned.execute("update ops.alerts set closed_at = now() - interval '2 hours' where closed_at is not null")
    deliver_due(planned, settings(tmp_path, chat))
    assert len(chat.texts) == 1
    assert "a:open" in chat.texts[0]


def test_what_a_person_reads(planned: psycopg.Connection, tmp_path: Path, chat: Chat, mailbox: Mailbox) -> None:
    publish_text(planned, tmp_path, PLAN + OWNERS)
    for _ in range(2):
        start(
            planned,
            title="Orders & <payments>\ndiffer",
            body="First.\n\nSecond <b>.",
            owner="finance",
            details={"what_to_do": "Look at *both*.", "link": "https://dagster.example/runs/1"},
        )
    planned.execute("update ops.alerts set opened_at = '2026-07-01 10:00+00', last_seen_at = '2026-07-01 12:30+00'")
    deliver_due(planned, settings(tmp_path, chat, mailbox))
    assert chat.texts == [
        ":red_circle: *Critical: Orders &amp; &lt;payments&gt; differ* (Small)\n"
        "First.\n\nSecond &lt;b&gt;.\n"
        "*Since*  2026-07-01 12:00 CEST\n"
        "*Seen*  2 times, last 2026-07-01 14:30 CEST\n"
        "*Owner*  finance\n"
        "*What to do*  Look at *both*.\n"
        "*Where*  https://dagster.example/runs/1\n"
        "*Incident*  gate:raw"
    ]
    recipients, mail = mailbox.mails[0]
    assert {recipients[0] for recipients, _ in mailbox.mails} == {"fin@example.com", "cfo@example.com"}
    assert (mail["Subject"], mail["To"]) == ("Critical: Orders & <payments> differ (Small)", recipients[0])
    assert (mail["From"], mail["Auto-Submitted"]) == ("analytics-pipeline <bot@shop.example>", "auto-generated")
    plain, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None and html is not None
    for part in ("Critical: Orders & <payments> differ", "Second <b>.", "Since:", "2026-07-01 12:00 CEST", "Look at *both*."):
        assert part in plain.get_content()
    for part in ("Critical: Orders &amp; &lt;payments&gt; differ", "Second &lt;b&gt;.", "2026-07-01 12:00 CEST"):
        assert part in html.get_content()
    assert "<b>" not in html.get_content()
    close_incident(planned, "gate:raw")
    deliver_due(planned, settings(tmp_path, chat, mailbox))
    assert mailbox.mails[-1][1]["In-Reply-To"] == mail["Message-ID"] != mailbox.mails[-1][1]["Message-ID"]


@pytest.mark.parametrize(
    ("owner", "fallback", "expected"),
    [
        ("finance", "ops@example.com", {"fin@example.com", "cfo@example.com"}),
        ("marketing", "ops@example.com, boss@example.com", {"ops@example.com", "boss@example.com"}),
        ("marketing", "", {"data@example.com"}),
        (None, "ops@example.com", {"data@example.com"}),
    ],
)
def test_mail_goes_to_the_owner_else_to_the_settings_addresses_else_to_the_default_owner(
    planned: psycopg.Connection, tmp_path: Path, mailbox: Mailbox, owner: str | None, fallback: str, expected: set[str]
) -> None:
    publish_text(planned, tmp_path, PLAN + OWNERS)
    start(planned, owner=owner)
    deliver_due(planned, settings(tmp_path, mailbox, alert_email=fallback))
    assert {address for recipients, _ in mailbox.mails for address in recipients} == expected


def test_without_a_plan_alerts_go_out_too(connection: psycopg.Connection, tmp_path: Path, chat: Chat) -> None:
    start(connection)
    assert deliver_due(connection, settings(tmp_path, chat)) == Delivered(delivered=2)
    assert "*Owner*  nobody" in chat.texts[0]


def test_a_dead_receiver_costs_nobody_else_anything_and_hears_of_it_when_it_lives(
    planned: psycopg.Connection, tmp_path: Path, mailbox: Mailbox
) -> None:
    with chat_server() as dead:
        pass
    to = settings(tmp_path, dead, mailbox, alert_email="a@example.com")
    for incident in ("a:1", "a:2", "a:3"):
        start(planned, incident)
    began = time.monotonic()
    done = deliver_due(planned, to)
    assert time.monotonic() - began < 3
    assert (done.delivered, done.failed) == (6, 1)  # one attempt says that nobody is there; the others are not tried
    assert done.reasons == ("webhook: can't be reached (Connection refused)",)
    assert deliveries(planned, "webhook", "attempts, status, last_error is null") == [
        (1, "pending", False), (0, "pending", True), (0, "pending", True)
    ]  # fmt: skip
    with chat_server(dead.port) as alive:
        deliver_due(planned, to, later(3))
        assert len(alive.texts) == 3
        assert deliver_due(planned, to, later(600)) == Delivered()
    assert (len(mailbox.mails), len(lines(tmp_path))) == (3, 3)


def test_attempts_are_ever_rarer_and_end(planned: psycopg.Connection, tmp_path: Path, chat: Chat) -> None:
    start(planned)
    chat.answers = [(500, {}, b"")] * (MOST_ATTEMPTS + 5)
    now, waits = later(0), []
    for _ in range(MOST_ATTEMPTS):
        deliver_due(planned, settings(tmp_path, chat), now)
        asked = chat.asked
        deliver_due(planned, settings(tmp_path, chat), now + timedelta(seconds=45))
        assert chat.asked == asked
        (due,) = deliveries(planned, "webhook", "next_attempt_at")[0]
        waits.append((due - now).total_seconds())
        now = due
    for attempt, wait in enumerate(waits):
        assert 0.79 <= wait / min(60 * 2**attempt, 1800) <= 1.21
    assert len({round(wait / min(60 * 2**n, 1800), 3) for n, wait in enumerate(waits)}) > 10  # they don't come in step
    assert deliveries(planned, "webhook", "status, attempts, last_error") == [("given_up", MOST_ATTEMPTS, "HTTP 500")]
    assert deliver_due(planned, settings(tmp_path, chat), now + timedelta(days=9)) == Delivered()


def test_a_receiver_that_asks_to_be_left_alone_is(planned: psycopg.Connection, tmp_path: Path, chat: Chat) -> None:
    to, now = settings(tmp_path, chat), later(0)
    chat.answers = [(429, {"Retry-After": "600"}, b"slow down")]
    for incident in ("a:1", "a:2"):
        start(planned, incident)
    deliver_due(planned, to, now)
    start(planned, "a:3")
    for minutes in (1, 5, 9.9):
        deliver_due(planned, to, now + timedelta(minutes=minutes))
        assert (chat.asked, chat.texts) == (1, [])
    deliver_due(planned, to, now + timedelta(minutes=10.1))
    assert len(chat.texts) == 3


def test_retry_after_may_be_a_date(planned: psycopg.Connection, tmp_path: Path, chat: Chat) -> None:
    start(planned)
    at = (later(20)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    chat.answers = [(503, {"Retry-After": at}, b"")]
    now = later(0)
    deliver_due(planned, settings(tmp_path, chat), now)
    (due,) = deliveries(planned, "webhook", "next_attempt_at")[0]
    assert timedelta(minutes=19) < due - now < timedelta(minutes=21)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_no_is_not_asked_again_and_its_reason_is_kept_without_the_secret(
    planned: psycopg.Connection, tmp_path: Path, chat: Chat, status: int
) -> None:
    chat.answers = [(status, {}, f"no_service: {PATH} {chat.url} verysecrettoken".encode())]
    start(planned)
    done = deliver_due(planned, settings(tmp_path, chat))
    assert (done.delivered, done.given_up) == (1, 1)
    assert done.reasons[0].startswith(f"webhook: HTTP {status}: no_service")
    deliver_due(planned, settings(tmp_path, chat), later(600))
    assert chat.asked == 1
    kept = str(deliveries(planned, "webhook", "to_jsonb(d)")) + str(done)
    assert "no_service" in kept
    assert "secret" not in kept.lower()
    close_incident(planned, "gate:raw")
    deliver_due(planned, settings(tmp_path, chat))
    assert chat.asked == 1  # who was not told that it began is not told that it is over


def test_a_message_is_not_sent_on_to_another_place(planned: psycopg.Connection, tmp_path: Path, chat: Chat) -> None:
    chat.answers = [(307, {"Location": PATH}, b"")]
    start(planned)
    done = deliver_due(planned, settings(tmp_path, chat))
    assert (done.given_up, done.reasons, chat.asked) == (1, ("webhook: HTTP 307",), 1)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_what_may_go_better_is_asked_again(planned: psycopg.Connection, tmp_path: Path, chat: Chat, status: int) -> None:
    chat.answers = [(status, {}, b"")] * 2
    start(planned)
    for minutes in (0, 2, 5):
        deliver_due(planned, settings(tmp_path, chat), later(minutes))
    assert (chat.asked, len(chat.texts)) == (3, 1)


@pytest.mark.only_on("embedded", "it takes seconds, and is about receivers")
@pytest.mark.parametrize("manners", ["hang", "drip"])
def test_a_receiver_that_never_answers_holds_nobody_up_for_long(
    planned: psycopg.Connection, tmp_path: Path, chat: Chat, manners: str
) -> None:
    chat.answers = [manners]
    for number in range(5):
        start(planned, f"a:{number}")
    began = time.monotonic()
    done = deliver_due(planned, settings(tmp_path, chat))
    assert time.monotonic() - began < 9.5
    assert (done.delivered, done.failed, len(lines(tmp_path))) == (5, 1, 5)
    assert done.reasons[0].startswith("webhook: no answer within ")
    deliver_due(planned, settings(tmp_path, chat), later(3))
    assert len(chat.texts) == 5


def test_a_file_that_cannot_be_written_is_tried_again_and_never_mixed_up(
    planned: psycopg.Connection, tmp_path: Path, chat: Chat
) -> None:
    (tmp_path / "blocked").write_text("")
    start(planned)
    done = deliver_due(planned, settings(tmp_path, chat, alert_file=tmp_path / "blocked" / "alerts"))
    assert (done.delivered, done.failed) == (1, 1)
    assert "can't be written (File exists)" in done.reasons[0]
    path = tmp_path / "alerts.ndjson"
    path.write_text('{"half": ')
    assert deliver_due(planned, settings(tmp_path, chat), later(3)) == Delivered(delivered=1)
    assert json.loads(path.read_text().splitlines()[1])["incident"] == "gate:raw"


def test_after_a_fix_what_was_given_up_is_sent_on_request(planned: psycopg.Connection, tmp_path: Path, chat: Chat) -> None:
    chat.answers = [(404, {}, b"no_team")]
    start(planned)
    deliver_due(planned, settings(tmp_path, chat))
    make_due(planned, later(0))
    assert deliver_due(planned, settings(tmp_path, chat), later(0)) == Delivered(delivered=1)
    assert len(chat.texts) == 1


@pytest.mark.own_server("with one backend the processes would take turns")
def test_two_processes_that_deliver_at_once_send_each_message_once(
    warehouse: Warehouse, planned: psycopg.Connection, tmp_path: Path, chat: Chat
) -> None:
    command = [sys.executable, "-c", DELIVER, warehouse.url, str(tmp_path), chat.url, "15"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for number in range(60):
        start(planned, f"a:{number}")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    told = [text.splitlines()[-1] for text in chat.texts]
    assert (len(told), len(set(told))) == (60, 60)
    assert len(lines(tmp_path)) == len(set(lines(tmp_path))) == 60


@pytest.mark.own_server("the killed process has a backend of its own")
def test_a_process_that_is_killed_while_it_sends_loses_nothing_and_floods_nobody(
    warehouse: Warehouse, planned: psycopg.Connection, tmp_path: Path, chat: Chat
) -> None:
    start(planned)
    for attempt in (1, 2):
        chat.answers = ["hang"]
        command = [sys.executable, "-c", DELIVER, warehouse.url, str(tmp_path), chat.url, "1"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdin is not None
            process.stdout.readline()
            process.stdin.write("go\n")
            process.stdin.flush()
            wait_until(lambda asked=chat.asked: chat.asked > asked)
            os.kill(process.pid, signal.SIGKILL)
        deliver_due(planned, settings(tmp_path, chat))
        assert (chat.asked, chat.texts) == (attempt, [])
        planned.execute("update ops.alert_deliveries set next_attempt_at = now() where status = 'pending'")
    assert deliver_due(planned, settings(tmp_path, chat)).delivered >= 1
    assert len(chat.texts) == 1
    assert set(lines(tmp_path)) == {("opened", "gate:raw")}


def test_a_password_travels_encrypted_and_mail_arrives(
    planned: psycopg.Connection, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(certificate, login=True) as box:
        url = f"smtp://bot%40shop.example:s3cret%2F%40%3A@127.0.0.1:{box.port}"
        start(planned)
        to = settings(tmp_path, smtp_url=url, alert_email="a@example.com")
        assert deliver_due(planned, to) == Delivered(delivered=2)
    assert (box.logins, box.encrypted) == ([("bot@shop.example", "s3cret/@:")], [True])
    assert box.mails[0][1]["From"] == "analytics-pipeline <bot@shop.example>"


def test_mail_goes_out_by_a_server_that_is_encrypted_from_the_first_byte(
    planned: psycopg.Connection, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(certificate, implicit=True, login=True) as box:
        start(planned)
        url = f"smtps://bot:s3cret%2F%40%3A@127.0.0.1:{box.port}"
        assert deliver_due(planned, settings(tmp_path, smtp_url=url, alert_email="a@example.com")).delivered == 2
    assert len(box.mails) == 1


def test_a_password_is_not_sent_to_a_server_that_does_not_encrypt_or_that_nobody_vouches_for(
    planned: psycopg.Connection, tmp_path: Path, certificate: Path
) -> None:
    start(planned)
    with mail_server() as box:
        to = settings(tmp_path, smtp_url=f"smtp://bot:pw@127.0.0.1:{box.port}", alert_email="a@example.com")
        done = deliver_due(planned, to)
        assert "STARTTLS" in done.reasons[0]
        assert (done.given_up, box.logins) == (1, [])
    with mail_server(certificate, login=True) as box:
        to = settings(tmp_path, smtp_url=f"smtp://bot:pw@127.0.0.1:{box.port}", alert_email="b@example.com")
        done = deliver_due(planned, to)
        assert "certificate can't be verified" in done.reasons[0]
        assert (done.failed, box.logins) == (1, [])


def test_a_wrong_password_is_said_without_saying_it(
    planned: psycopg.Connection, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(certificate, login=True) as box:
        start(planned)
        to = settings(tmp_path, smtp_url=f"smtp://bot:wr0ngpw@127.0.0.1:{box.port}", alert_email="a@example.com")
        done = deliver_due(planned, to)
    assert done.given_up == 1
    assert done.reasons[0].startswith("email: SMTP 535")
    assert set(box.logins) == {("bot", "wr0ngpw")}
    assert "wr0ngpw" not in str(deliveries(planned, "email", "to_jsonb(d)")) + str(done)


def test_an_address_that_is_refused_is_given_up_and_a_full_one_tried_again_while_others_get_theirs(
    planned: psycopg.Connection, tmp_path: Path, mailbox: Mailbox
) -> None:
    mailbox.refusals = ["550 no such user", "452 mailbox full"]
    start(planned)
    to = settings(tmp_path, mailbox, alert_email="a@example.com, b@example.com, c@example.com")
    done = deliver_due(planned, to)
    assert (done.delivered, done.failed, done.given_up) == (2, 1, 1)
    assert set(done.reasons) == {"email: SMTP 550: no such user", "email: SMTP 452: mailbox full"}
    assert deliver_due(planned, to, later(2)) == Delivered(delivered=1)
    assert len(mailbox.mails) == 2


def test_settings_never_show_a_secret(tmp_path: Path) -> None:
    found = settings(tmp_path, smtp_url="smtp://bot:topsecret@mail", alert_webhook_url=f"https://hooks.example{PATH}")
    assert "topsecret" not in repr(found) + str(found.model_dump())
    assert "verysecret" not in repr(found) + str(found.model_dump())
