"""What the executive report shows, read from the published tables. How it looks is in `charts` and the template."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

HISTORY_DAYS = 60
FUNNEL_DAYS = 30
COHORTS = 16

Row = dict[str, Any]


@dataclass(frozen=True)
class Executive:
    """The contents. Days are local days of the plan's zone; as_of is UTC.

    Attributes:
        headlines: per KPI: definition, value of the day and of the same weekday before, status, last 60 values.
        forecasts: per KPI: definition, history, forecast, accuracy (or None).
        anomalies: of totals, newest first, with drivers.
        part_anomalies: of single dimension values, newest first.
        funnels: per funnel: title, order, window in seconds, steps with persons, conversion and median seconds.
        retentions: per retention: title, grain and its newest cohorts with their cells.
        stale: since when newer numbers were blocked, and why; None where these are the newest.
        accepted: why an owner published them although checks failed; None where none did.
        flags: what checks found that was published nevertheless.
    """

    title: str
    timezone: str
    build_id: uuid.UUID
    as_of: datetime
    day: date
    stale: Row | None
    accepted: str | None
    flags: list[str]
    headlines: list[Row]
    forecasts: list[Row]
    anomalies: list[Row]
    part_anomalies: list[Row]
    funnels: list[Row]
    retentions: list[Row]
    quality: Row
    kpis: list[Row]


def read_executive(connection: psycopg.Connection, day: date | None = None) -> Executive | None:
    """Read everything for a day (default: the last whole day); None when nothing is published yet."""
    with connection.cursor(row_factory=dict_row) as cursor:
        head = cursor.execute(
            """
            select p.title, p.timezone, b.build_id, b.as_of, coalesce(%(day)s, max(v.period_date)) as day
            from config.plan as p
            cross join ops.published_build as b
            inner join kpi.kpi_values as v on v.grain = 'day' and not v.is_partial
            group by p.title, p.timezone, b.build_id, b.as_of
            """,
            {"day": day},
        ).fetchone()
        if head is None:
            return None
        state = cursor.execute("select is_stale, stale_since, reason, accepted from ops.publication").fetchone() or {}
        kpis = _kpis(cursor, head["day"])
        return Executive(
            **head,
            stale=state if state.get("is_stale") else None,
            accepted=state.get("accepted"),
            flags=_flags(cursor),
            headlines=[k for k in kpis if k["headline"]],
            kpis=kpis,
            forecasts=_forecasts(cursor, head["day"], head["build_id"]),
            anomalies=_anomalies(cursor, head["build_id"], is_total=True),
            part_anomalies=_anomalies(cursor, head["build_id"], is_total=False),
            funnels=_funnels(cursor, head["day"]),
            retentions=_retentions(cursor, head["day"]),
            quality=_quality(cursor),
        )


def _flags(cursor: psycopg.Cursor[Row]) -> list[str]:
    """What warnings and accepted failures of the published run's gates found, in words."""
    rows = cursor.execute(
        """
        select coalesce(f.line, q.details ->> 'description', q.check_name) as line
        from ops.published_build as b
        inner join ops.gate_runs as g on g.build_id = b.build_id or g.run_id = b.run_id
        inner join ops.quality_results as q on g.gate_run_id = q.gate_run_id and not q.passed
        left join lateral jsonb_array_elements_text(q.details -> 'found') as f (line) on true
        order by q.severity, q.relation, q.check_name, line limit 40
        """
    ).fetchall()
    return [row["line"] for row in rows]


def _kpis(cursor: psycopg.Cursor[Row], day: date) -> list[Row]:
    return cursor.execute(
        """
        select d.kpi_name, d.title, d.description, d.unit, d.direction, d.owner, d.target::float8, d.headline, d.formula,
            s.status, s.value::float8, b.value::float8 as before,
            (
                select array_agg(v.value::float8 order by v.period_date)
                from kpi.kpi_values as v
                where v.kpi_name = d.kpi_name and v.grain = 'day' and v.dimension = 'all'
                    and v.period_date between %(from)s and %(day)s
            ) as history
        from kpi.kpi_definitions as d
        left join kpi.kpi_status as s on s.kpi_name = d.kpi_name and s.period_date = %(day)s
        left join kpi.kpi_status as b on b.kpi_name = d.kpi_name and b.period_date = %(week_before)s
        order by d.position
        """,
        {"day": day, "from": day - timedelta(days=HISTORY_DAYS - 1), "week_before": day - timedelta(days=7)},
    ).fetchall()


def _forecasts(cursor: psycopg.Cursor[Row], day: date, build_id: uuid.UUID) -> list[Row]:
    return cursor.execute(
        """
        select d.kpi_name, d.title, d.unit, h.history, f.forecast,
            to_jsonb(a) - 'model_run_id' - 'kpi_name' as accuracy
        from kpi.kpi_definitions as d
        inner join (
            select v.kpi_name,
                jsonb_agg(jsonb_build_object('day', v.period_date, 'value', v.value) order by v.period_date) as history
            from kpi.kpi_values as v
            where v.grain = 'day' and v.dimension = 'all' and v.period_date between %(from)s and %(day)s
            group by v.kpi_name
        ) as h on d.kpi_name = h.kpi_name
        inner join ml.model_runs as r on r.kind = 'forecast' and r.build_id = %(build_id)s
        inner join (
            select model_run_id, kpi_name, jsonb_agg(to_jsonb(f) order by f.period_date) as forecast
            from ml.forecasts as f group by model_run_id, kpi_name
        ) as f on f.model_run_id = r.model_run_id and f.kpi_name = d.kpi_name
        left join ml.forecast_accuracy as a on a.model_run_id = r.model_run_id and a.kpi_name = d.kpi_name
        order by d.position
        """,
        {"day": day, "from": day - timedelta(days=HISTORY_DAYS - 1), "build_id": build_id},
    ).fetchall()


def _anomalies(cursor: psycopg.Cursor[Row], build_id: uuid.UUID, *, is_total: bool) -> list[Row]:
    return cursor.execute(
        """
        select a.*, d.title, d.unit, d.direction as good_direction,
            (
                select jsonb_agg(jsonb_build_object('day', v.period_date, 'value', v.value) order by v.period_date)
                from kpi.kpi_values as v
                where v.kpi_name = a.kpi_name and v.grain = 'day'
                    and v.dimension = a.dimension and v.dimension_value = a.dimension_value
                    and v.period_date between a.period_date - 30 and a.period_date + 14 and not v.is_partial
            ) as history
        from ml.anomalies as a
        inner join ml.model_runs as r on a.model_run_id = r.model_run_id and r.build_id = %(build_id)s
        inner join kpi.kpi_definitions as d on a.kpi_name = d.kpi_name
        where (a.dimension = 'all') = %(is_total)s
        order by a.period_date desc, a.score desc
        limit 12
        """,
        {"build_id": build_id, "is_total": is_total},
    ).fetchall()


def _funnels(cursor: psycopg.Cursor[Row], day: date) -> list[Row]:
    """A range takes each person's deepest attempt in it."""
    return cursor.execute(
        """
        with deepest as (
            select distinct on (funnel, person_key) * from marts.fct_funnel_attempts
            where entry_day between %(from)s and %(day)s
            order by funnel, person_key, depth desc, entered_at
        ),
        steps as (
            select s.funnel, s.step, s.title, count(*) filter (where d.depth >= s.step) as persons, count(*) as entered,
                count(*) filter (where d.depth >= s.step - 1) as before,
                percentile_cont(0.5) within group (
                    order by extract(epoch from d.step_times[s.step] - d.step_times[s.step - 1])
                ) as median_seconds
            from config.funnel_steps as s inner join deepest as d on s.funnel = d.funnel
            group by s.funnel, s.step, s.title
        )
        select f.funnel, f.title, f.step_order, extract(epoch from f.conversion_window)::int as window_seconds,
            jsonb_agg(jsonb_build_object(
                'title', s.title, 'persons', s.persons, 'conversion', s.persons::float8 / nullif(s.entered, 0),
                'step_conversion', s.persons::float8 / nullif(s.before, 0), 'median_seconds', s.median_seconds
            ) order by s.step) as steps
        from config.funnels as f inner join steps as s on f.funnel = s.funnel
        group by f.funnel, f.title, f.step_order, f.conversion_window order by f.funnel
        """,
        {"day": day, "from": day - timedelta(days=FUNNEL_DAYS - 1)},
    ).fetchall()


def _retentions(cursor: psycopg.Cursor[Row], day: date) -> list[Row]:
    return cursor.execute(
        """
        select r.retention, r.title, r.grain, r.mode, jsonb_agg(c order by c.cohort_start) as cohorts
        from config.retentions as r
        inner join (
            select retention, cohort_start, max(persons) filter (where period = 0) as size,
                jsonb_agg(rate::float8 order by period) as rates, jsonb_agg(persons order by period) as persons
            from marts.fct_retention where dimension = 'all' group by retention, cohort_start
        ) as c on r.retention = c.retention
            and c.cohort_start between %(day)s - %(cohorts)s * ('1 ' || r.grain)::interval and %(day)s
        group by r.retention, r.title, r.grain, r.mode order by r.retention
        """,
        {"day": day, "cohorts": COHORTS},
    ).fetchall()


def _quality(cursor: psycopg.Cursor[Row]) -> Row:
    row = cursor.execute(
        """
        with latest as (
            select distinct on (gate, relation, check_name) * from ops.quality_results
            order by gate, relation, check_name, checked_at desc
        )
        select
            (select count(*) from latest) as checks,
            (select count(*) from latest where passed) as passed,
            (
                select jsonb_agg(jsonb_build_object(
                    'relation', relation, 'check', replace(check_name, '_', ' '), 'severity', severity, 'failed', rows_failed
                )) from latest where not passed
            ) as failed,
            coalesce(sum(rows_read), 0)::bigint as read,
            coalesce(sum(rows_accepted), 0)::bigint as accepted,
            coalesce(sum(rows_duplicate), 0)::bigint as duplicate,
            coalesce(sum(rows_quarantined), 0)::bigint as quarantined,
            count(*) as files,
            (
                select jsonb_object_agg(reason_code, n) from (
                    select reason_code, count(*) as n from raw.quarantine where resolved_at is null group by reason_code
                ) as q
            ) as reasons
        from raw.ingest_batches where status = 'loaded'
        """
    ).fetchone()
    return row or {}
