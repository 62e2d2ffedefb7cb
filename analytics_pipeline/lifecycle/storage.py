"""Keeps raw events small: chunks ahead, the columnstore for old ones, and what leaves behind its horizon.

Each policy is declared by the plan, applied by this run and by nobody else (docs/decisions/0010), and noted in ops.policies.
What is copied to Parquet before is in `tiers`, the live tables are in `live`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from analytics_pipeline.lifecycle import departures, live
from analytics_pipeline.warehouse import chunks
from analytics_pipeline.warehouse.audit import record
from analytics_pipeline.warehouse.connection import Capabilities
from analytics_pipeline.warehouse.partitions import WEEK

AHEAD = 4
"""Pieces of time that are there before their first event."""

_FOREIGN_JOBS = """
select job_id from timescaledb_information.jobs
where
    (hypertable_schema = 'raw' and hypertable_name = 'events')
    or (hypertable_schema, hypertable_name) in (
        select materialization_hypertable_schema, materialization_hypertable_name
        from timescaledb_information.continuous_aggregates where view_schema = 'live'
    )
"""


@dataclass(frozen=True)
class Storage:
    """What the plan says of the storage of raw events.

    Attributes:
        chunk_interval: time that one piece covers.
        hot: age up to which events lie as rows.
        warehouse: age at which they leave; None keeps them.
        keep: names of events that leave earlier, with their age.
    """

    chunk_interval: timedelta
    hot: timedelta
    warehouse: timedelta | None
    keep: dict[str, timedelta]


@dataclass(frozen=True)
class Policy:
    """One policy: on which relation, what, as the plan has it, and what applying it did."""

    relation: str
    policy: str
    setting: str
    apply: Callable[[], str]


def read_storage(connection: psycopg.Connection, hot_days: int) -> Storage:
    """The published plan's. hot_days: where it says nothing of the hot tier."""
    row = connection.execute("select chunk_interval, hot, warehouse from config.storage").fetchone()
    kept = connection.execute("select event_name, keep from config.events where keep is not null order by 1").fetchall()
    interval, hot, warehouse = row or (WEEK, None, None)
    return Storage(interval, hot or timedelta(days=hot_days), warehouse, dict(kept))


def policies(
    connection: psycopg.Connection, can: Capabilities, storage: Storage, as_of: datetime, store_url: str
) -> list[Policy]:
    """Those that this server can carry out, in the order in which they are applied.

    Args:
        connection: autocommit.
        can: what the server can do.
        storage: as the plan has it.
        as_of: of the published build; with its zone.
        store_url: of the object store that keeps what leaves.
    """
    found = [
        # Before anything leaves: what has left is never computed again.
        Policy("live.quarter_hours", "refresh", "each run, what has changed", lambda: live.refresh(connection, can, as_of)),
        Policy(
            "raw.events",
            "chunk interval",
            f"{storage.chunk_interval.days} days",
            lambda: _set_interval(connection, can, storage.chunk_interval),
        ),
        Policy(
            "raw.events",
            "chunks ahead",
            f"{AHEAD} intervals",
            lambda: _make_ahead(connection, can, storage.chunk_interval, as_of),
        ),
    ]
    if can.columnstore:
        found.append(
            Policy(
                "raw.events",
                "columnstore",
                f"after {storage.hot.days} days",
                lambda: compress_older(connection, can, as_of - storage.hot),
            )
        )
    found += [
        Policy(
            "raw.events",
            f"keep {name}",
            f"{keep.days} days",
            lambda name=name, keep=keep: departures.delete_kind(connection, can, name, as_of - keep),  # type: ignore[misc]
        )
        for name, keep in storage.keep.items()
    ]
    if storage.warehouse is not None:
        age = storage.warehouse
        found.append(
            Policy(
                "raw.events",
                "retention",
                f"{age.days} days, when they are in {store_url}",
                lambda: departures.drop_older(connection, can, as_of - age, store_url),
            )
        )
    return found


def apply_policies(connection: psycopg.Connection, can: Capabilities, found: list[Policy]) -> dict[str, str]:
    """Apply and note them; those that the plan has dropped are forgotten.

    Returns:
        What each did, by "relation: policy".
    """
    _take_over(connection, can)
    _note_changes(connection, found)
    done = {}
    for policy in found:
        done[f"{policy.relation}: {policy.policy}"] = summary = policy.apply()
        connection.execute(
            """
            update ops.policies set ran_at = clock_timestamp(), summary = %s where relation = %s and policy = %s
            """,
            (summary, policy.relation, policy.policy),
        )
    return done


def _note_changes(connection: psycopg.Connection, found: list[Policy]) -> None:
    """Bring ops.policies to what the plan has now, before it is applied; what differs is in the audit log."""
    with connection.transaction():
        rows = connection.execute("select relation, policy, setting from ops.policies for update").fetchall()
        before = {(relation, policy): setting for relation, policy, setting in rows}
        after = {(p.relation, p.policy): p.setting for p in found}
        for relation, policy in before.keys() - after.keys():
            connection.execute("delete from ops.policies where relation = %s and policy = %s", (relation, policy))
        for (relation, policy), setting in after.items():
            connection.execute(
                """
                insert into ops.policies (relation, policy, setting, owner) values (%s, %s, %s, 'dagster')
                on conflict (relation, policy) do update set setting = excluded.setting
                """,
                (relation, policy, setting),
            )
        for relation, policy in sorted(before.keys() | after.keys()):
            was, now = before.get((relation, policy)), after.get((relation, policy))
            if was != now:
                record(connection, "set storage policy", relation, {"policy": policy, "before": was, "after": now})


def _take_over(connection: psycopg.Connection, can: Capabilities) -> None:
    """Remove what TimescaleDB's scheduler would do to these tables: two owners would undo each other's work."""
    if can.timescaledb != "community":
        return
    for (job_id,) in connection.execute(_FOREIGN_JOBS).fetchall():
        connection.execute("select delete_job(%s)", (job_id,))


def _set_interval(connection: psycopg.Connection, can: Capabilities, interval: timedelta) -> str:
    return "changed: future chunks have it" if chunks.set_interval(connection, can, interval) else "as it was"


def _make_ahead(connection: psycopg.Connection, can: Capabilities, interval: timedelta, as_of: datetime) -> str:
    chunks.make_ahead(connection, can, {as_of + n * interval for n in range(AHEAD + 1)})
    return f"up to {as_of + AHEAD * interval:%Y-%m-%d}"


def compress_older(connection: psycopg.Connection, can: Capabilities, horizon: datetime) -> str:
    """Put chunks that end before the horizon into the columnstore, also what late events have added to one since."""
    done = 0
    for chunk in chunks.chunks(connection, can):
        if chunk.ends_at <= horizon:
            connection.execute("select compress_chunk(%s::regclass, if_not_compressed => true)", (chunk.name,))
            done += not chunk.is_columnar
    return f"{done} more chunks"
