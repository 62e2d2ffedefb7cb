"""`audit list`: who or what changed a definition or what is stored, when, and what was computed again."""

import json
from datetime import datetime

from analytics_pipeline.commands.sql import formatted
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse

_LONGEST = 100
_COLUMNS = ["entry_id", "at", "actor", "action", "subject", "details"]
_ENTRIES = """
select entry_id, at, actor, action, subject, details from ops.audit_log
where (%(since)s::timestamptz is null or at >= %(since)s) and (%(subject)s::text is null or starts_with(subject, %(subject)s))
order by entry_id
"""


def entries(settings: Settings, since: datetime | None, subject: str | None, form: str) -> str:
    """Entries in the order in which they were written; details are shortened in a table.

    Args:
        settings: of the home.
        since: the earliest; with its zone.
        subject: the beginning of what it is about: a plan, a batch, a build, a table.
        form: table, csv or json.
    """
    with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
        rows = connection.execute(_ENTRIES, {"since": since, "subject": subject}).fetchall()
    if form == "json":
        return formatted(_COLUMNS, rows, form)
    texts = [json.dumps(row[-1]) for row in rows]
    if form == "table":
        texts = [text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in texts]
    return formatted(
        _COLUMNS,
        [(row[0], f"{row[1]:%Y-%m-%d %H:%M:%S%z}", *row[2:-1], text) for row, text in zip(rows, texts, strict=True)],
        form,
    )
