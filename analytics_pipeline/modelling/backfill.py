"""Days that a person wants to be computed again: rows of the ledger, which the next build takes up."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby

import psycopg

from analytics_pipeline.warehouse.audit import record


def note_days(connection: psycopg.Connection, days: Sequence[date]) -> None:
    """Note local days in the ledger and in the audit log, in one transaction.

    Args:
        connection: autocommit.
        days: in any order.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany("insert into ops.changes (cause, day) values ('backfill', %s)", [(day,) for day in days])
        record(connection, "backfill", "days", {"count": len(days), "days": spans(days)})


def spans(days: Sequence[date]) -> list[list[str]]:
    """First and last day of each run of days without a gap."""
    numbered = enumerate(sorted(set(days)))
    runs = [[day for _, day in run] for _, run in groupby(numbered, key=lambda item: item[1] - timedelta(days=item[0]))]
    return [[run[0].isoformat(), run[-1].isoformat()] for run in runs]
