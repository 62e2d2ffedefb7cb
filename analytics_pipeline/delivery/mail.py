"""Sends mail by SMTP, encrypted where the server can; a password never goes out in clear."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from socket import gethostname
from urllib.parse import unquote, urlsplit

from analytics_pipeline.delivery.messages import Message, mail_text, subject
from analytics_pipeline.delivery.outcome import DELIVERED, Outcome, down, said, unreachable

_SECONDS = 5.0


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in.

    Attributes:
        host, port: of the server.
        user, password: empty where it wants none.
        security: tls from the first byte (smtps), starttls where the server offers it, or none.
        sender: address that mail comes from.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    security: str
    sender: str


def mail_server(url: str, sender: str) -> MailServer:
    """Of ANALYTICS_SMTP_URL, which the settings have looked at, and ANALYTICS_ALERT_SENDER."""
    parts = urlsplit(url)
    user, is_tls = unquote(parts.username or ""), parts.scheme == "smtps"
    security = "tls" if is_tls else "none" if parts.query == "starttls=never" else "starttls"
    default = user if "@" in user else f"analytics-pipeline@{gethostname()}"
    return MailServer(
        host=parts.hostname or "",
        port=parts.port or (465 if is_tls else 587),
        user=user,
        password=unquote(parts.password or ""),
        security=security,
        sender=sender or default,
    )


def send(server: MailServer, recipient: str, message: Message) -> Outcome:
    """Send one message to one address."""
    secrets = [server.password]
    try:
        with _connection(server) as smtp:
            if server.security == "starttls" and smtp.has_extn("starttls"):
                smtp.starttls(context=ssl.create_default_context())
                smtp.ehlo()
            elif server.security == "starttls" and server.password:
                return Outcome(
                    "given_up",
                    "the server offers no STARTTLS, and the password would travel in clear: use smtps://, "
                    "or add ?starttls=never to the SMTP address",
                )
            if server.user:
                smtp.login(server.user, server.password)
            smtp.send_message(composed(server, recipient, message), server.sender, [recipient])
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        return _answered(code, words, secrets, is_about_all=False)
    except smtplib.SMTPResponseException as error:
        return _answered(error.smtp_code, error.smtp_error, secrets, is_about_all=not isinstance(error, smtplib.SMTPDataError))
    except smtplib.SMTPServerDisconnected as error:
        return unreachable(error, _SECONDS)
    except smtplib.SMTPException as error:
        return Outcome("given_up", said(f"the mail can't be sent ({error})", secrets))
    except OSError as error:
        return unreachable(error, _SECONDS)
    except ValueError as error:
        return Outcome("given_up", said(f"the mail can't be written ({error})", secrets))
    return DELIVERED


def composed(server: MailServer, recipient: str, message: Message) -> EmailMessage:
    """The mail, as text and as HTML. All mails of an alert are one conversation, and a repeated one has its old id."""
    mail = EmailMessage()
    domain = server.sender.rpartition("@")[2]
    mail["From"] = f"analytics-pipeline <{server.sender}>"
    mail["To"] = recipient
    mail["Subject"] = subject(message)
    mail["Date"] = formatdate()
    first = f"<alert-{message.alert_id}-{int(message.opened_at.timestamp())}@{domain}>"
    if message.event == "opened":
        mail["Message-ID"] = first
    else:
        mail["Message-ID"] = first.replace("<alert", f"<{message.event}", 1)
        mail["In-Reply-To"] = mail["References"] = first
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(mail_text(message))
    mail.add_alternative(_html(message), subtype="html")
    return mail


def _html(message: Message) -> str:
    import jinja2

    template = (Path(__file__).parent / "mail.html.jinja").read_text(encoding="utf-8")
    return (
        jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template).render(message=message)
    )


def _connection(server: MailServer) -> smtplib.SMTP:
    """Greeted. The name that we greet with is the machine's own: to look up a longer one can take seconds."""
    name, where = gethostname(), (server.host, server.port)
    smtp: smtplib.SMTP
    if server.security == "tls":
        smtp = smtplib.SMTP_SSL(*where, local_hostname=name, timeout=_SECONDS, context=ssl.create_default_context())
    else:
        smtp = smtplib.SMTP(*where, local_hostname=name, timeout=_SECONDS)
    smtp.ehlo()
    return smtp


def _answered(code: int, words: str | bytes, secrets: list[str], *, is_about_all: bool) -> Outcome:
    """4xx is for now, 5xx for good."""
    reason = f"SMTP {code}: {said(words, secrets)}"
    if code >= 500:
        return Outcome("given_up", reason)
    return down(reason) if is_about_all else Outcome("retry", reason)
