"""A build: one as_of, one frozen set of changes, from its beginning to its end as published, blocked or abandoned."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime

import psycopg

from analytics_pipeline.errors import AnalyticsError, UsageError
from analytics_pipeline.modelling.models import rebuilt_models
from analytics_pipeline.shipped import shipped


@dataclass(frozen=True)
class Build:
    """A row of ops.builds. All times are UTC."""

    build_id: uuid.UUID
    as_of: datetime
    previous_as_of: datetime | None
    is_full: bool
    rebuilt: tuple[str, ...] = ()


def code_hash() -> str:
    """Identity of the dbt project's SQL: when it changes, history is built again."""
    return _hash_of("models/**/*.sql", "macros/**/*.sql")


def project_hash() -> str:
    """Identity of the whole dbt project, with its tests and descriptions: when it changes, it is parsed again."""
    return _hash_of("**/*.sql", "**/*.yml")


def _hash_of(*patterns: str) -> str:
    project = shipped("dbt_project")
    digest = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in project.glob(pattern)):
        digest.update(str(path.relative_to(project)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def current_build(connection: psycopg.Connection) -> Build:
    """The build that is running.

    Raises:
        AnalyticsError: there is none.
    """
    row = connection.execute("select build_id, as_of, previous_as_of, is_full, rebuilt from ops.current_build").fetchone()
    if row is None:
        raise AnalyticsError("no build is running: materialise ops/builds together with what is downstream of it")
    build_id, as_of, previous_as_of, is_full, rebuilt = row
    return Build(build_id, as_of, previous_as_of, is_full, tuple(rebuilt))


def begin_build(
    connection: psycopg.Connection, as_of: datetime, *, full_refresh: bool = False, run_id: str | None = None
) -> Build:
    """Freeze the set of changes that nobody has consumed and that this transaction sees, but for batches of which the raw
    gate has not released any.

    A build that was killed is abandoned; its changes are unconsumed, so this one takes them up. The build is a full one
    when it is asked for, when the code has changed, when there is no published build yet, and when one since the last
    published was not published: what that one wrote to build_* is touched by nobody's changes. A change of the plan builds
    the models again that rest on what has changed.

    Args:
        connection: outside of a transaction.
        as_of: later events are invisible to the build; with its zone.
        full_refresh: compute everything again.
        run_id: of Dagster, for the record.

    Raises:
        UsageError: as_of has no zone, or history would be computed again of which raw events have left the warehouse.
    """
    if as_of.tzinfo is None:
        raise UsageError(f"as_of {as_of.isoformat()} has no zone: add one, for example {as_of.isoformat()}+00:00")
    with connection.transaction():
        connection.execute("lock table ops.builds in share row exclusive mode")
        connection.execute(
            """
            update ops.builds set status = 'abandoned', finished_at = clock_timestamp(), reason = 'the run ended before it'
            where status = 'building'
            """
        )
        build_id, code = uuid.uuid4(), code_hash()
        row = connection.execute(
            """
            with last as (
                select * from ops.published_build
            ),
            parts as (
                select jsonb_object_agg(part, part_hash) as now from config.parts
            ),
            unpublished as (
                select 1 from ops.builds as b inner join last on b.started_at > last.started_at
                where b.status in ('abandoned', 'blocked')
            )
            insert into ops.builds (
                build_id, status, as_of, previous_as_of, is_full, plan_hash, code_hash, run_id, plan_parts
            )
            select
                %(build_id)s, 'building', %(as_of)s, last.as_of,
                %(full)s or last.build_id is null or last.code_hash <> %(code)s
                or exists (select 1 from unpublished)
                or exists (
                    select 1 from ops.changes
                    where consumed_by is null and day is null and person_key is null and cause <> 'plan'
                ),
                p.plan_hash, %(code)s, %(run_id)s, parts.now
            from config.plan as p cross join parts left join last on true
            returning build_id, as_of, previous_as_of, is_full
            """,
            {"build_id": build_id, "as_of": as_of, "full": full_refresh, "code": code, "run_id": run_id},
        ).fetchone()
        if row is None:
            raise AnalyticsError("no tracking plan is published: materialise config/tracking_plan first")
        rebuilt = rebuilt_models(_changed_parts(connection))
        connection.execute("update ops.builds set rebuilt = %s where build_id = %s", (rebuilt, build_id))
        if row[3] or "int_events" in rebuilt:
            _require_history(connection)
        connection.execute(
            """
            insert into ops.build_changes (build_id, change_id)
            select %s, c.change_id from ops.changes as c
            where c.consumed_by is null and not exists (
                select 1 from raw.ingest_batches as b
                where b.batch_id = c.batch_id and b.status = 'loaded' and b.gate_status <> 'released'
            )
            """,
            (build_id,),
        )
    connection.execute("analyze ops.changes")
    connection.execute("analyze ops.build_changes")
    as_of, previous_as_of, is_full = row[1:]
    return Build(build_id, as_of, previous_as_of, is_full, tuple(rebuilt))


def _require_history(connection: psycopg.Connection) -> None:
    """Days whose raw events are gone, and which no writer has named, would lose their numbers.

    Those that left behind a horizon are read from int_events again, as long as it is there.
    """
    if connection.execute("select to_regclass('marts.fct_events')").fetchone() == (None,):
        return
    row = connection.execute(
        """
        with kept as (
            select (min(e.occurred_at) at time zone min(p.timezone))::date as first_day
            from raw.events as e cross join config.plan as p
        ),
        departed as (
            select (h.before at time zone p.timezone)::date as until
            from ops.horizons as h cross join config.plan as p
            where h.event_name = '' and to_regclass('build_intermediate.int_events') is not null
        )
        select min(e.day), max(e.day)
        from marts.fct_events as e cross join kept
        where
            e.day < coalesce(kept.first_day, 'infinity'::date)
            and e.day >= coalesce((select until from departed), '-infinity'::date)
            and e.day not in (select day from ops.changes where consumed_by is null and day is not null)
        """
    ).fetchone()
    if row and row[0] is not None:
        raise UsageError(
            f"the raw events of {row[0]} to {row[1]} have left the warehouse: computing all of history again would lose their"
            " numbers. Load those days again first, or take back what asks for it (--full-refresh, a change of the plan)"
        )


def _changed_parts(connection: psycopg.Connection) -> set[str]:
    """Parts of the plan that differ from those of the published build; none before the first."""
    rows = connection.execute(
        """
        select coalesce(c.part, b.key)
        from ops.published_build as p
        cross join lateral jsonb_each_text(p.plan_parts) as b
        full join config.parts as c on c.part = b.key
        where c.part_hash is distinct from b.value and exists (select 1 from ops.published_build)
        """
    ).fetchall()
    return {row[0] for row in rows}
