"""Gathers the days and persons of a load, and writes them to ops.changes."""

import tempfile
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from types import TracebackType

import duckdb
import numpy as np
import psycopg
import pyarrow as pa

from analytics_pipeline.ingest.deduplication import times_of

_QUARTER = 15 * 60 * 1_000_000
_DAYS = """
insert into ops.changes (cause, batch_id, day)
select distinct %(cause)s, %(batch_id)s::uuid, (to_timestamp(quarter * 900) at time zone %(timezone)s)::date
from unnest(%(quarters)s::bigint[]) as quarter
"""


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Not the engine that judges records: the two work at the same time, and would wait for each other."""
    return duckdb.connect(config={"memory_limit": "100MB", "threads": 1, "temp_directory": tempfile.gettempdir()})


class Ledger:
    """Persons are gathered in DuckDB, which spills to disk; days as the quarters of an hour that occur."""

    def __init__(self) -> None:
        self._database = _database().cursor()
        self._database.execute("create temp table persons (person_key text)")
        self._quarters: set[int] = set()
        self._clerk = ThreadPoolExecutor(1, "ledger")
        self._noted: list[Future[None]] = []

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._clerk.shutdown(cancel_futures=True)
        self._database.close()

    def note(self, events: pa.Table) -> None:
        """Take down days and persons, while the caller goes on.

        Args:
            events: occurred_at, user_id and anonymous_id of events that were stored.
        """
        self._noted.append(self._clerk.submit(self._note, events.select(["occurred_at", "user_id", "anonymous_id"])))

    def _note(self, events: pa.Table) -> None:
        self._quarters.update(np.unique(times_of(events) // _QUARTER).tolist())
        self._database.register("events", events)
        self._database.execute(
            """
            insert into persons
            select distinct 'u:' || user_id from events where user_id is not null
            union all
            select distinct 'a:' || anonymous_id from events where anonymous_id is not null
            """
        )
        self._database.unregister("events")

    def write(self, connection: psycopg.Connection, batch_id: uuid.UUID, cause: str, timezone: str) -> None:
        """One row for each local day of the plan's zone and for each person."""
        for noted in self._noted:
            noted.result()
        if not self._quarters:
            return
        parameters = {"cause": cause, "batch_id": batch_id, "timezone": timezone, "quarters": sorted(self._quarters)}
        connection.execute(_DAYS, parameters)
        persons = self._database.sql("select distinct person_key from persons").to_arrow_reader(100_000)
        with connection.cursor().copy("copy ops.changes (cause, batch_id, person_key) from stdin (format binary)") as copy:
            copy.set_types(["text", "uuid", "text"])
            for chunk in persons:
                for person in chunk.column(0).to_pylist():
                    copy.write_row((cause, batch_id, person))
