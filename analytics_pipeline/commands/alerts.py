"""`alerts`: what is wrong and who knows of it; and what a run has to tell when it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from analytics_pipeline.commands.terminal import say
from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse, open_warehouse

_RUN = "run:everything"
_LONGEST_LIST = 100
_ALERTS = """
select a.*, coalesce(p.timezone, 'UTC') as zone, d.messages
from ops.alerts as a
left join config.plan as p on true
left join lateral (
    select json_agg(json_build_object(
        'event', d.event, 'to', coalesce(nullif(d.recipient, ''), d.channel), 'status', d.status, 'attempts', d.attempts,
        'channel', d.channel, 'reason', d.last_error
    ) order by d.delivery_id) as messages
    from ops.alert_deliveries as d where d.alert_id = a.alert_id
) as d on true
where a.closed_at is null or %(closed)s
order by a.closed_at is not null, a.severity, a.opened_at desc
limit %(most)s
"""


def listing(settings: Settings, everything: bool) -> str:
    """Open alerts, and who has been told; with `everything` also those that are over, up to a hundred."""
    from analytics_pipeline.delivery.outbox import held_severities

    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        held = held_severities(connection, datetime.now(UTC))
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_ALERTS, {"closed": everything, "most": _LONGEST_LIST}).fetchall()
    return "\n\n".join(_described(row, held) for row in rows) or "Nothing is wrong that anybody knows of."


def _described(row: dict[str, Any], held: list[str]) -> str:
    from analytics_pipeline.delivery.outbox import message_of

    message = message_of({**row, "event": "closed" if row["closed_at"] else "opened", "product": ""})
    lines = [message.headline, *(f"    {line}" for line in message.text.splitlines())]
    lines += [f"    {label}: {value}" for label, value in message.facts]
    lines += [f"    {_told(m, m['channel'] != 'file' and row['severity'] in held)}" for m in row["messages"] or []]
    return "\n".join(lines)


def _told(message: dict[str, Any], is_quiet: bool) -> str:
    status, attempts = message["status"], f"{message['attempts']} attempt{'' if message['attempts'] == 1 else 's'}"
    if status == "pending":
        status = "quiet" if is_quiet else "tried" if message["attempts"] else "new"
    state = {
        "delivered": "told",
        "withdrawn": "not told: it was over before",
        "given_up": f"NOT TOLD, given up after {attempts}",
        "quiet": "to be told after quiet hours",
        "tried": f"not told yet, {attempts}",
        "new": "to be told next",
    }[status]
    reason = f" ({message['reason']})" if message["reason"] else ""
    return f"{message['to']}, {message['event']}: {state}{reason}"


def test(settings: Settings) -> None:
    """Send a test message through every channel that is set up, and say what became of each.

    Raises:
        AnalyticsError: one of them did not take it.
    """
    from analytics_pipeline.delivery.trial import try_channels

    with open_warehouse(settings, say) as warehouse, warehouse.connect(autocommit=True) as connection:
        found = try_channels(connection, settings)
    for place, outcome, words in found:
        say(f"{'·' if outcome is None else '✓' if outcome.status == 'delivered' else '✗'} {place}: {words}")
    if any(outcome is not None and outcome.status != "delivered" for _, outcome, _ in found):
        raise AnalyticsError("not every channel took the message: see above")


def retry(settings: Settings) -> str:
    """Send again, now, what was given up or waits for its next attempt."""
    from analytics_pipeline.delivery.deliver import deliver_due
    from analytics_pipeline.delivery.outbox import make_due

    with open_warehouse(settings, say) as warehouse, warehouse.connect(autocommit=True) as connection:
        make_due(connection, datetime.now(UTC))
        done = deliver_due(connection, settings)
    lines = [f"{done.delivered} delivered, {done.failed} to be tried again, {done.given_up} given up.", *done.reasons]
    return "\n    ".join(lines)


@contextmanager
def telling(settings: Settings, warehouse: Warehouse, *, is_whole: bool = True) -> Iterator[None]:
    """Around a run: its failure is an incident, its success ends it, and then what is due is sent, whatever became of it.

    Args:
        settings: of the home.
        warehouse: running.
        is_whole: all that is due was to be done; a choice of assets is nobody's incident but of who made it.
    """
    with warehouse.connect(autocommit=True) as connection:
        row = connection.execute("select clock_timestamp()").fetchone()
    try:
        yield
    except Exception as error:
        _tell(settings, warehouse, str(error) if is_whole else None, row[0] if row else None)
        raise
    _tell(settings, warehouse, "" if is_whole else None, None)


def _tell(settings: Settings, warehouse: Warehouse, failure: str | None, began: datetime | None) -> None:
    """What goes wrong here is said, and changes nothing about the run."""
    from analytics_pipeline.delivery.deliver import deliver_due
    from analytics_pipeline.delivery.runs import RUN_AGAIN, gate_spoke, told
    from analytics_pipeline.warehouse.incidents import close_incident, open_incident

    try:
        with warehouse.connect(autocommit=True) as connection:
            if failure == "":
                close_incident(connection, _RUN, "A run went well.")
            elif failure is not None and began is not None and not gate_spoke(connection, began):
                details = {"what_to_do": RUN_AGAIN}
                open_incident(connection, _RUN, severity="critical", title="A run failed", body=told(failure), details=details)
            done = deliver_due(connection, settings)
    except (psycopg.Error, AnalyticsError) as error:
        say(f"  ! Alerts were not sent: {str(error).splitlines()[0]}")
        return
    for reason in done.reasons:
        say(f"  ! An alert was not delivered: {reason}. See analytics-pipeline alerts list")
