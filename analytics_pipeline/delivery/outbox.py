"""ops.alert_deliveries: which messages are due, to whom, and what became of them. Sending them is in `deliver`.

A message is claimed before it is sent, in a transaction of its own: counted as an attempt, and put off to its next one. So a
process that is killed while it sends loses nothing, and a message that kills whoever sends it is tried as rarely as one that
nobody takes. All functions need a connection in autocommit mode.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from analytics_pipeline.delivery.messages import Message
from analytics_pipeline.delivery.outcome import Outcome

Channel = Literal["webhook", "email", "file"]
MOST_ATTEMPTS = 50
"""With waits of one minute, doubled up to half an hour: about a day."""
_AT_ONCE = 20
_LONGEST_PAUSE = 3600

# To each channel once, and by mail to the addresses of the owner; else to those of the settings, else to the default owner's.
RECIPIENTS = """
    select c.channel, '' as recipient from unnest(%(channels)s::text[]) as c (channel) where c.channel <> 'email'
    union
    select 'email', unnest(coalesce(
        (select o.emails from config.owners as o where o.owner = a.owner),
        nullif(%(emails)s::text[], '{}'),
        (select o.emails from config.owners as o join config.alerting as d on o.owner = d.default_owner)
    ))
    where 'email' = any(%(channels)s::text[])
"""

# What ended before anybody was told of it: nobody needs to hear of a warning, and of what is critical one message says both.
# Closed ones are looked at for an hour, in case another process knows more channels than the one that saw them first.
_OPENED = f"""
insert into ops.alert_deliveries (alert_id, event, channel, recipient, next_attempt_at)
select a.alert_id, 'opened', r.channel, r.recipient, %(now)s
from ops.alerts as a cross join lateral ({RECIPIENTS}) as r
where (
    a.closed_at is null
    or a.severity = 'critical' and (
        a.closed_at > %(now)s::timestamptz - interval '1 hour'
        or not exists (select from ops.alert_deliveries as d where d.alert_id = a.alert_id)
    )
)
and not exists (
    select from ops.alert_deliveries as d
    where d.alert_id = a.alert_id and d.event = 'opened' and d.channel = r.channel and d.recipient = r.recipient
)
on conflict do nothing
"""  # noqa: S608  (a constant)
_LATER = """
insert into ops.alert_deliveries (alert_id, event, channel, recipient, next_attempt_at)
select d.alert_id, e.event, d.channel, d.recipient, %(now)s
from ops.alert_deliveries as d
join ops.alerts as a using (alert_id)
cross join lateral (
    select case
        when a.closed_at is not null then case when not d.tells_end then 'closed' end
        when a.severity = 'critical' and d.severity = 'warning' then 'escalated'
    end as event
) as e
where d.event = 'opened' and d.status = 'delivered' and e.event is not null and not exists (
    select from ops.alert_deliveries as l
    where l.alert_id = d.alert_id and l.event = e.event and l.channel = d.channel and l.recipient = d.recipient
)
on conflict do nothing
"""
_SETTLED = """
update ops.alert_deliveries as d
set status = case when d.attempts >= %(most)s then 'given_up' else 'withdrawn' end
from ops.alerts as a
where a.alert_id = d.alert_id and d.status = 'pending' and d.next_attempt_at <= %(now)s and (
    d.attempts >= %(most)s
    or a.closed_at is not null and (
        d.event = 'escalated' or d.event = 'opened' and a.severity = 'warning' and d.attempts = 0
    )
)
"""
_QUIET = """
select case
    when c.quiet_from is null then '{}'
    when case
        when c.quiet_from < c.quiet_to then l.at >= c.quiet_from and l.at < c.quiet_to
        else l.at >= c.quiet_from or l.at < c.quiet_to
    end then case c.hold when 'all' then '{warning,critical}' else '{warning}' end
    else '{}'
end::text[]
from config.alerting as c
cross join config.plan as p
cross join lateral (select (%s::timestamptz at time zone p.timezone)::time as at) as l
"""
_CLAIM = """
with due as (
    select d.delivery_id
    from ops.alert_deliveries as d
    join ops.alerts as a using (alert_id)
    where d.status = 'pending' and d.channel = %(channel)s and d.next_attempt_at <= %(now)s
        and (d.channel = 'file' or a.severity <> all (%(held)s::text[]))
        and not exists (
            select from ops.alert_deliveries as p where p.channel = d.channel and p.paused_until > %(now)s
        )
    order by a.severity, d.delivery_id
    limit %(most)s
    for update of d skip locked
),
claimed as (
    update ops.alert_deliveries as d
    set attempts = d.attempts + 1,
        next_attempt_at = %(now)s::timestamptz
            + make_interval(secs => least(60 * power(2, least(d.attempts, 10)), 1800) * (0.8 + 0.4 * random())),
        severity = a.severity,
        tells_end = a.closed_at is not null
    from due, ops.alerts as a
    where d.delivery_id = due.delivery_id and a.alert_id = d.alert_id
    returning d.delivery_id, d.recipient, d.event, a.*
)
select c.*, coalesce(p.title, '') as product, coalesce(p.timezone, 'UTC') as zone
from claimed as c left join config.plan as p on true
order by c.severity, c.delivery_id
"""
_NOTE = """
update ops.alert_deliveries set
    status = case when %(status)s <> 'retry' then %(status)s when attempts >= %(most)s then 'given_up' else 'pending' end,
    delivered_at = case when %(status)s = 'delivered' then %(now)s::timestamptz end,
    last_error = nullif(%(reason)s, ''),
    paused_until = %(now)s::timestamptz + make_interval(secs => %(pause)s),
    next_attempt_at = greatest(next_attempt_at, %(now)s::timestamptz + make_interval(secs => %(pause)s))
where delivery_id = %(id)s and status = 'pending'
returning status
"""


@dataclass(frozen=True)
class Claimed:
    """A message that this process is to send now.

    Attributes:
        delivery_id: of ops.alert_deliveries.
        channel: by which.
        recipient: an address; empty where the channel has but one.
        message: what is told.
    """

    delivery_id: int
    channel: Channel
    recipient: str
    message: Message


def plan_messages(connection: psycopg.Connection, channels: list[Channel], emails: list[str], now: datetime) -> None:
    """Plan what has to be told and is not planned yet; withdraw what nobody needs to hear any more.

    Args:
        connection: in autocommit mode.
        channels: that this process can use.
        emails: addresses for owners without any.
        now: in any zone.
    """
    values = {"channels": channels, "emails": emails, "now": now, "most": MOST_ATTEMPTS}
    with connection.transaction():
        for statement in (_SETTLED, _OPENED, _LATER):
            connection.execute(statement, values)


def held_severities(connection: psycopg.Connection, now: datetime) -> list[str]:
    """Severities that wait, as the clocks of the plan's timezone stand in quiet hours."""
    row = connection.execute(_QUIET, (now,)).fetchone()
    return list(row[0]) if row else []


def claim(connection: psycopg.Connection, channel: Channel, held: list[str], now: datetime) -> list[Claimed]:
    """Take what is due on a channel, critical alerts first. What another process has taken is left alone."""
    with connection.cursor(row_factory=dict_row) as cursor:
        values = {"channel": channel, "held": held, "now": now, "most": _AT_ONCE}
        rows = cursor.execute(_CLAIM, values).fetchall()
    return [Claimed(row["delivery_id"], channel, row["recipient"], message_of(row)) for row in rows]


def message_of(row: dict[str, Any]) -> Message:
    """Of a row of ops.alerts, with `event`, and `product` and `zone` of the plan."""
    return Message(
        event=row["event"],
        alert_id=row["alert_id"],
        incident=row["incident"],
        severity=row["severity"],
        owner=row["owner"] or "nobody",
        title=row["title"],
        body=row["body"],
        details=row["details"],
        opened_at=row["opened_at"],
        last_seen_at=row["last_seen_at"],
        occurrences=row["occurrences"],
        closed_at=row["closed_at"],
        closing=row["closing"] or "",
        product=row["product"],
        zone=row["zone"],
    )


def note(connection: psycopg.Connection, claimed: Claimed, outcome: Outcome, now: datetime) -> str:
    """Keep what became of an attempt. Returns the status of the delivery."""
    pause = min(outcome.retry_after, _LONGEST_PAUSE) if outcome.retry_after is not None else None
    row = connection.execute(
        _NOTE,
        {
            "id": claimed.delivery_id,
            "status": outcome.status,
            "reason": outcome.reason,
            "pause": pause,
            "most": MOST_ATTEMPTS,
            "now": now,
        },
    ).fetchone()
    return str(row[0]) if row else outcome.status


def give_back(connection: psycopg.Connection, claimed: Iterable[Claimed], now: datetime) -> None:
    """What was claimed and not tried is due again."""
    connection.execute(
        """
        update ops.alert_deliveries set attempts = attempts - 1, next_attempt_at = %s
        where delivery_id = any(%s) and status = 'pending'
        """,
        (now, [c.delivery_id for c in claimed]),
    )


def make_due(connection: psycopg.Connection, now: datetime) -> None:
    """What was given up, of alerts that are open or were until lately, and what waits for its next attempt, is due now."""
    connection.execute(
        """
        update ops.alert_deliveries as d
        set status = 'pending', attempts = least(d.attempts, 1), next_attempt_at = %(now)s, paused_until = null
        from ops.alerts as a
        where a.alert_id = d.alert_id and d.last_error is not null and (
            d.status = 'pending'
            or d.status = 'given_up' and coalesce(a.closed_at > %(now)s::timestamptz - interval '1 day', true)
        )
        """,
        {"now": now},
    )
