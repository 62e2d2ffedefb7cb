"""What people are told of an alert, as chat text, mail and a JSON line. Pure: who is told, and when, is in `outbox`."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

Event = Literal["opened", "escalated", "closed", "test"]
_LONGEST_BODY = 3000
_NEXT_STEP = "Look at `analytics-pipeline status`; docs/alerts.md says what each kind of incident means."


@dataclass(frozen=True)
class Message:
    """One event of one alert.

    Attributes:
        event: what is told: it began, a warning became critical, it is over; test is none of these.
        alert_id: of ops.alerts; 0 for a test.
        incident: its name, with the kind first.
        severity: as it is when this is told.
        owner: of the plan.
        title: one line.
        body: what was found.
        details: for programs; `what_to_do` and `link` are shown to people.
        opened_at, last_seen_at: of the incident.
        occurrences: how often it was seen.
        closed_at: its end, if it is over.
        closing: how it ended, if that was said.
        product: title of the plan.
        zone: in which people read times.
    """

    event: Event
    alert_id: int
    incident: str
    severity: Literal["critical", "warning"]
    owner: str
    title: str
    body: str
    opened_at: datetime
    last_seen_at: datetime
    occurrences: int = 1
    closed_at: datetime | None = None
    closing: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    product: str = ""
    zone: str = "UTC"

    @property
    def headline(self) -> str:
        """One line: how it stands, and the title."""
        title = " ".join(self.title.split())
        if self.event == "test":
            return title
        if self.event == "closed":
            return f"Over: {title}"
        if self.closed_at is not None:
            return f"Over, was {self.severity}: {title}"
        return f"{'Now critical' if self.event == 'escalated' else self.severity.capitalize()}: {title}"

    @property
    def text(self) -> str:
        """What was found, and how it ended; at most a few thousand characters."""
        parts = [self.closing] if self.event == "closed" else [self.body, self.closing]
        whole = "\n\n".join(part.strip() for part in parts if part.strip())
        return whole if len(whole) <= _LONGEST_BODY else f"{whole[:_LONGEST_BODY]} ... (cut here)"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Labels with their values, in the order in which people look for them."""
        found = [("Since", self._moment(self.opened_at)), ("Owner", self.owner)]
        if self.closed_at is not None:
            found.insert(1, ("Until", f"{self._moment(self.closed_at)} ({_lasted(self.closed_at - self.opened_at)})"))
        elif self.occurrences > 1:
            found.insert(1, ("Seen", f"{self.occurrences} times, last {self._moment(self.last_seen_at)}"))
        if self.closed_at is None and self.event != "test":
            found.append(("What to do", str(self.details.get("what_to_do") or _NEXT_STEP)))
        if self.details.get("link"):
            found.append(("Where", str(self.details["link"])))
        return [*found, ("Incident", self.incident)]

    def _moment(self, at: datetime) -> str:
        return f"{at.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M %Z}"


def chat_text(message: Message) -> str:
    """For a Slack-compatible webhook, in its markup."""
    sign = ":white_check_mark:" if message.closed_at else ":red_circle:" if message.severity == "critical" else ":warning:"
    sign = ":wave:" if message.event == "test" else sign
    product = f" ({_escaped(message.product)})" if message.product else ""
    lines = [f"{sign} *{_escaped(message.headline)}*{product}", _escaped(message.text)]
    lines += [f"*{label}*  {_escaped(value)}" for label, value in message.facts]
    return "\n".join(line for line in lines if line)


def subject(message: Message) -> str:
    """Of a mail."""
    return f"{message.headline} ({message.product})" if message.product else message.headline


def mail_text(message: Message) -> str:
    """For readers of plain text."""
    width = max(len(label) for label, _ in message.facts)
    facts = "\n".join(f"{label + ':':<{width + 2}}{value}" for label, value in message.facts)
    return "\n\n".join(filter(None, [message.headline, message.text, facts])) + "\n"


def json_line(message: Message, at: datetime) -> str:
    """For programs: one line, without its end.

    Args:
        message: what is told.
        at: when.
    """
    import json

    line = {
        "at": at.isoformat(),
        "event": message.event,
        "alert_id": message.alert_id,
        "incident": message.incident,
        "severity": message.severity,
        "owner": message.owner,
        "product": message.product,
        "title": message.title,
        "body": message.body,
        "details": message.details,
        "opened_at": message.opened_at.isoformat(),
        "last_seen_at": message.last_seen_at.isoformat(),
        "occurrences": message.occurrences,
        "closed_at": message.closed_at.isoformat() if message.closed_at else None,
        "closing": message.closing,
    }
    return json.dumps(line, ensure_ascii=False, default=str)


def _escaped(text: str) -> str:
    """The three characters that Slack's markup gives a meaning."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lasted(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    if minutes < 1:
        return "under a minute"
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min" if minutes and not days else ""]
    return " ".join(filter(None, parts))
