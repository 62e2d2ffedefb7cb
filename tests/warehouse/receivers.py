"""Real receivers of alerts on this machine: a web server and mail servers that record, and that can be rude."""

import email
import email.policy
import http.server
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.conftest import require

PATH = "/services/T0SECRET/B0SECRET/verysecrettoken"


@dataclass
class Chat:
    """A Slack-compatible webhook.

    Attributes:
        url: of the webhook.
        texts: that were posted and taken.
        asked: number of requests.
        answers: the next ones, each status, headers, body; or "hang" or "drip". Then 200.
    """

    port: int = 0
    texts: list[str] = field(default_factory=list)
    asked: int = 0
    answers: list[Any] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"


@contextmanager
def chat_server(port: int = 0) -> Iterator[Chat]:
    chat = Chat()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            chat.asked += 1
            answer = chat.answers.pop(0) if chat.answers else (200, {}, b"ok")
            if answer == "hang":
                chat.ended.wait(30)
                return
            if answer == "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not chat.ended.wait(0.2):
                    self.wfile.write(b"x")
                return
            status, headers, words = answer
            if self.path == PATH and status == 200:
                chat.texts.append(json.loads(body)["text"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # the client has given up
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Requests are counted."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    chat.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        chat.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """What a mail server took.

    Attributes:
        port: of the server.
        mails: with the addresses that they were really sent to.
        encrypted: of each, whether it came so.
        logins: users with their passwords.
        refusals: the next answers to a recipient, then it is taken.
    """

    port: int = 0
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append((envelope.rcpt_tos, mail))
        self.encrypted.append(session.ssl is not None)
        return "250 taken"

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"s3cret/@:", handled=False)


@contextmanager
def mail_server(certificate: Path | None = None, *, implicit: bool = False, login: bool = False) -> Iterator[Mailbox]:
    """A mail server.

    Args:
        certificate: PEM with its key: it offers STARTTLS.
        implicit: it is encrypted from the first byte instead.
        login: nobody can send without.
    """
    box = Mailbox()
    options: dict[str, Any] = {}
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if not implicit:
            options["tls_context"] = context
    if login:
        options |= {
            "authenticator": box.login,
            "auth_required": True,
            "auth_require_tls": certificate is not None and not implicit,
        }
    controller = Controller(
        box, hostname="127.0.0.1", port=_free_port(), ssl_context=context if implicit else None, ready_timeout=20, **options
    )
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


def make_certificate(folder: Path) -> Path:
    """A PEM file with a key and a certificate for 127.0.0.1 that nobody trusts unless told to."""
    program = require("openssl", "mail is encrypted")
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    command = [
        program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    return both


def wait_until(holds: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
