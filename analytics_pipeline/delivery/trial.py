"""A test message through every channel, to everybody who could be written to. Nothing of it is kept."""

from datetime import UTC, datetime

import psycopg

from analytics_pipeline.delivery.deliver import attempted, senders
from analytics_pipeline.delivery.messages import Message
from analytics_pipeline.delivery.outbox import Channel
from analytics_pipeline.delivery.outcome import Outcome
from analytics_pipeline.settings import Settings

_SET_UP: dict[Channel, str] = {
    "webhook": "not set up: ANALYTICS_ALERT_WEBHOOK_URL takes the address of a Slack-compatible incoming webhook",
    "email": "not set up: ANALYTICS_SMTP_URL takes smtp://user:password@host:587, and the plan the addresses of owners",
}
_NOBODY = "nobody has an address: give owners some under alerts in the plan, or set ANALYTICS_ALERT_EMAIL"


def try_channels(connection: psycopg.Connection, settings: Settings) -> list[tuple[str, Outcome | None, str]]:
    """Send it.

    Returns:
        the channel with its recipient; what became of it, None where nothing could be tried; and that in words.
    """
    now = datetime.now(UTC)
    row = connection.execute("select title, timezone from config.plan").fetchone()
    message = Message(
        event="test",
        alert_id=0,
        incident="test",
        severity="warning",
        owner="whoever ran `analytics-pipeline alerts test`",
        title="This is a test: alerts arrive here",
        body="Nothing is wrong, and there is nothing to do.",
        opened_at=now,
        last_seen_at=now,
        product=row[0] if row else "",
        zone=row[1] if row else "UTC",
    )
    found: list[tuple[str, Outcome | None, str]] = []
    ways = senders(settings, now)
    channels: tuple[Channel, ...] = ("webhook", "email", "file")
    for channel in channels:
        send = ways.get(channel)
        recipients = _addresses(connection, settings) if channel == "email" else [""]
        if send is None or not recipients:
            found.append((channel, None, _NOBODY if send is not None else _SET_UP[channel]))
            continue
        for recipient in recipients:
            outcome = attempted(send, recipient, message)
            place = recipient or (str(settings.alert_log) if channel == "file" else "")
            found.append((f"{channel} {place}".strip(), outcome, outcome.reason or "sent"))
    return found


def _addresses(connection: psycopg.Connection, settings: Settings) -> list[str]:
    rows = connection.execute("select distinct unnest(emails) from config.owners order by 1").fetchall()
    return list(dict.fromkeys([*(row[0] for row in rows), *settings.alert_emails]))
