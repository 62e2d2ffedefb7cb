"""Profiles of local days: what raw events looked like, kind by kind, in ops.profiles. Judging them is in `drift`."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from analytics_pipeline.quality.judgement import left_out

_FOLDER = Path(__file__).parent / "profile"
_STEPS = tuple((name, (_FOLDER / f"{name}.sql").read_text()) for name in ("metrics", "categories", "properties", "signatures"))
_EVENTS = (_FOLDER / "events.sql").read_text()

MOST_VALUES = 40
"""Values of a field that are told apart; one with more is known by the shapes of its values only."""

SIGNATURE_SIZE = 200
_DAYS_AT_ONCE = 7
_FILLERS = (
    "null",
    "undefined",
    "none",
    "nan",
    "nil",
    "0",
    "-1",
    "unknown",
    "anonymous",
    "(not set)",
    "[object object]",
    "00000000-0000-0000-0000-000000000000",
)
_TEST_ID = r"(^|[^a-z])(test(er|ing|user)?|qa|dummy|fake|staging|example|foobar)([^a-z]|$)"


def profile_days(connection: psycopg.Connection, days: Sequence[date]) -> None:
    """Write the profiles of these local days anew, inside of the caller's transaction. A day without events gets none.

    Traffic that the plan leaves out is left out here, too.
    """
    connection.execute(
        "insert into ops.profiled_days (day, outcome) select unnest(%s::date[]), 'blocked' on conflict (day) do nothing",
        (list(days),),
    )
    connection.execute("delete from ops.profiles where day = any(%s)", (list(days),))
    for some in _runs(sorted(days)):
        _profile(connection, some)
    connection.execute("analyze ops.profiles")


def _runs(days: list[date]) -> Iterator[list[date]]:
    """Consecutive days, at most a week at a time."""
    run: list[date] = []
    for day in days:
        if run and (day - run[-1] > timedelta(days=1) or len(run) == _DAYS_AT_ONCE):
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def _profile(connection: psycopg.Connection, days: list[date]) -> None:
    bounds = connection.execute(
        "select ops.day_start(%s, timezone), ops.day_start(%s, timezone) from config.plan",
        (days[0], days[-1] + timedelta(days=1)),
    ).fetchone()
    if bounds is None:
        return
    connection.execute("drop table if exists profiled")
    parameters = {"from": bounds[0], "until": bounds[1], "days": days}
    connection.execute(sql.SQL(_EVENTS).format(is_excluded=left_out(connection)), parameters)
    connection.execute("analyze profiled")
    parts = {
        "fillers": sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, _FILLERS))),
        "test_id": sql.Literal(_TEST_ID),
        "most_values": sql.Literal(MOST_VALUES),
        "signature_size": sql.Literal(SIGNATURE_SIZE),
        "shape": _shape("value"),
        "user_shape": _shape("o.user_id"),
        "anonymous_shape": _shape("o.anonymous_id"),
        "session_shape": _shape("o.session_id"),
        "entity_shape": _shape("o.entity_id"),
    }
    for _, text in _STEPS:
        connection.execute(sql.SQL(text).format(**parts))
    connection.execute("drop table profiled")


def _shape(column: str) -> sql.Composed:
    """A leading word, then x for each run of letters and digits: user-000123 and user-7 have one shape."""
    shape = sql.SQL(
        "coalesce(substring({0} from '^[A-Za-z]+[-_:/]'), '')"
        " || left(regexp_replace(regexp_replace({0}, '^[A-Za-z]+[-_:/]', ''), '[[:alnum:]]+', 'x', 'g'), 40)"
    )
    return shape.format(sql.SQL(column))
