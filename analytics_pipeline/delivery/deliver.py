"""Brings alerts to people: plans what is to be told, sends what is due within a few seconds, and keeps what became of it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg

from analytics_pipeline.delivery import outbox
from analytics_pipeline.delivery.messages import Message
from analytics_pipeline.delivery.outbox import Channel, Claimed
from analytics_pipeline.delivery.outcome import Outcome, down
from analytics_pipeline.settings import Settings

_SECONDS = 8.0
"""For all messages of one call together. What is left over is due at the next."""

Send = Callable[[str, Message], Outcome]


@dataclass(frozen=True)
class Delivered:
    """What one call did, in messages.

    Attributes:
        delivered: taken by their receivers.
        failed: that are tried again.
        given_up: that are not.
        reasons: of those, once each, with the channel: no secrets.
    """

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    reasons: tuple[str, ...] = ()


def senders(settings: Settings, now: datetime) -> dict[Channel, Send]:
    """The channels that are set up, each with its way to send a message to a recipient."""
    found: dict[Channel, Send] = {"file": lambda _, message: _append(settings, message, now)}
    if settings.alert_webhook_url is not None:
        url = settings.alert_webhook_url.get_secret_value()
        found["webhook"] = lambda _, message: _post(url, message)
    if settings.smtp_url is not None:
        found["email"] = lambda recipient, message: _mail(settings, recipient, message)
    return found


def deliver_due(connection: psycopg.Connection, settings: Settings, now: datetime | None = None) -> Delivered:
    """Send every message that is due. A receiver that is dead, slow or rude costs some seconds and raises nothing.

    Several processes may call this at once: each message is sent by one of them. It is sent again only if a process was killed,
    or lost the receiver, between sending it and noting that.

    Args:
        connection: in autocommit mode.
        settings: with the channels.
        now: stands for now; with its zone.
    """
    now = now or datetime.now(UTC)
    ways = senders(settings, now)
    outbox.plan_messages(connection, list(ways), settings.alert_emails, now)
    held = outbox.held_severities(connection, now)
    claimed = {channel: outbox.claim(connection, channel, held, now) for channel in ways}
    done = Delivered()
    for item, outcome in _sent({c: items for c, items in claimed.items() if items}, ways):
        if outcome is None:
            outbox.give_back(connection, [item], now)
        else:
            status = outbox.note(connection, item, outcome, now)
            done = _counted(done, status, f"{item.channel}: {outcome.reason}" if outcome.reason else "")
    return done


def _sent(claimed: dict[Channel, list[Claimed]], ways: dict[Channel, Send]) -> list[tuple[Claimed, Outcome | None]]:
    """Send by all channels at once, and wait for the slowest, but not for long. None: it was not tried."""
    outcomes: dict[int, Outcome] = {}
    deadline = time.monotonic() + _SECONDS
    threads = [
        threading.Thread(target=_work, args=(items, ways[channel], outcomes, deadline), daemon=True)
        for channel, items in claimed.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    found = dict(outcomes)
    return [(item, found.get(item.delivery_id)) for items in claimed.values() for item in items]


def _work(items: list[Claimed], send: Send, outcomes: dict[int, Outcome], deadline: float) -> None:
    """One channel. It is left alone for this time once it is down, and once the others stop waiting."""
    for item in items:
        if time.monotonic() >= deadline:
            return
        outcomes[item.delivery_id] = down(f"no answer within {_SECONDS:.0f} s")  # replaced, if there is one in time
        outcome = outcomes[item.delivery_id] = attempted(send, item.recipient, item.message)
        if outcome.is_down:
            return


def attempted(send: Send, recipient: str, message: Message) -> Outcome:
    """Send, and answer for our own faults as for the receiver's: nobody else hears of them in a thread of its own."""
    try:
        return send(recipient, message)
    except Exception as error:
        return Outcome("retry", f"{type(error).__name__}: a fault of analytics-pipeline, which `alerts test` may show")


def _counted(done: Delivered, status: str, reason: str) -> Delivered:
    reasons = done.reasons if not reason or reason in done.reasons else (*done.reasons, reason)
    if status == "delivered":
        return replace(done, delivered=done.delivered + 1)
    if status == "given_up":
        return replace(done, given_up=done.given_up + 1, reasons=reasons)
    return replace(done, failed=done.failed + 1, reasons=reasons)


def _append(settings: Settings, message: Message, now: datetime) -> Outcome:
    from analytics_pipeline.delivery.file import append

    return append(settings.alert_log, message, now)


def _post(url: str, message: Message) -> Outcome:
    from analytics_pipeline.delivery.webhook import post

    return post(url, message)


def _mail(settings: Settings, recipient: str, message: Message) -> Outcome:
    from analytics_pipeline.delivery.mail import mail_server, send

    assert settings.smtp_url is not None
    return send(mail_server(settings.smtp_url.get_secret_value(), settings.alert_sender), recipient, message)
