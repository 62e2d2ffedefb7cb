"""Incidents: what is wrong, from its beginning to its end, once. Telling people is the business of `delivery`.

Every room may open and close them. A name says what it is about, with the kind first: `gate:raw`, `run:everything`,
`freshness:raw.events`. Each function is one statement, so that two processes that call at once make one incident.
"""

from collections.abc import Collection
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

Severity = Literal["critical", "warning"]


def open_incident(
    connection: psycopg.Connection,
    incident: str,
    *,
    severity: Severity,
    title: str,
    body: str,
    owner: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Note that something is wrong, or that it still is.

    An incident that is open already is not opened again: it is counted, gets the newest title, body and details, and keeps the
    higher severity. People are told once, and once more when a warning becomes critical.

    Args:
        connection: to the warehouse; in a transaction, nobody else can write the incident before its end.
        incident: its name, the same for as long as it is the same trouble.
        severity: critical goes out at once, also in quiet hours.
        title: one line, understood without its context.
        body: what was found, with numbers; no personal data and no secret.
        owner: of the plan, whose addresses are written to. Default: the plan's own.
        details: for programs. `what_to_do` is shown to people as the next step, and `link` as where to look.
    """
    connection.execute(
        """
        insert into ops.alerts as a (incident, severity, owner, title, body, details)
        values (
            %(incident)s, %(severity)s, coalesce(%(owner)s, (select default_owner from config.alerting)), %(title)s, %(body)s,
            %(details)s
        )
        on conflict (incident) where closed_at is null do update set
            severity = case when a.severity = 'critical' then a.severity else excluded.severity end,
            owner = coalesce(%(owner)s, a.owner, excluded.owner),
            title = excluded.title,
            body = excluded.body,
            details = excluded.details,
            last_seen_at = clock_timestamp(),
            occurrences = a.occurrences + 1
        """,
        {
            "incident": incident,
            "severity": severity,
            "owner": owner,
            "title": title,
            "body": body,
            "details": Jsonb(details or {}),
        },
    )


def close_incident(connection: psycopg.Connection, incident: str, body: str = "") -> None:
    """Note that it is over; nothing happens where it is not open.

    Args:
        connection: to the warehouse.
        incident: its name.
        body: how it ended, if that is worth a sentence.
    """
    connection.execute(
        "update ops.alerts set closed_at = clock_timestamp(), closing = %s where incident = %s and closed_at is null",
        (body, incident),
    )


def close_incidents_except(connection: psycopg.Connection, prefix: str, still_open: Collection[str]) -> None:
    """Close all that are open under a prefix, but for those named.

    Args:
        connection: to the warehouse.
        prefix: such as `freshness:`.
        still_open: whole names.
    """
    connection.execute(
        """
        with over as (
            select alert_id from ops.alerts
            where closed_at is null and starts_with(incident, %(prefix)s) and incident <> all (%(still_open)s::text[])
            order by incident
            for update
        )
        update ops.alerts as a set closed_at = clock_timestamp(), closing = '' from over where a.alert_id = over.alert_id
        """,
        {"prefix": prefix, "still_open": list(still_open)},
    )
