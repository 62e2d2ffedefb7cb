"""What an analysis sees: the published build, its plan, and the events that count. No analysis itself is here."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from analytics_pipeline.errors import AnalyticsError, UsageError
from analytics_pipeline.insights.questions import Question
from analytics_pipeline.tracking_plan import expressions, selectors
from analytics_pipeline.tracking_plan.schema import TrackingPlan
from analytics_pipeline.tracking_plan.schema.parts import Selector

_SQL = Path(__file__).parent / "sql"
_MARTS_COLUMNS = {
    "event_id",
    "occurred_at",
    "day",
    "event_name",
    "person_key",
    "session_key",
    "is_activity",
    "is_page",
    "amount",
}
_FAR_BACK, _FAR_AHEAD = date(1900, 1, 1), date(9999, 12, 30)


@dataclass(frozen=True)
class Published:
    """The published build of a warehouse, open for reading.

    Attributes:
        connection: in a read-only transaction.
        plan: in force when the build was made.
        as_of: of the build; later events are invisible.
        today: its local day.
        first_day: local day of the first event that counts.
    """

    connection: psycopg.Connection
    plan: TrackingPlan
    as_of: datetime
    today: date
    first_day: date

    def range_of(self, question: Question) -> tuple[date, date]:
        """First and last local day."""
        last = question.last_day or self.today
        return question.first_day or min(self.first_day, last), last

    def selected(self, selector: Selector) -> sql.SQL:
        """The condition of a selector. Raises UsageError."""
        return fragment(tried(selectors.selected, selector))

    def value(self, text: str) -> sql.SQL:
        """A dimension of the plan, a column of the events, or a property, as text. Raises UsageError."""
        return fragment(tried(expressions.value, self.plan.dimensions.get(text, text), expressions.EVENT_COLUMNS))

    def rows(self, name: str, fragments: dict[str, sql.Composable], **parameters: Any) -> list[dict[str, Any]]:
        """Run a query of the folder sql.

        Args:
            name: of the file.
            fragments: what stands in its braces; each is made by this module or a literal.
            parameters: bound values; as_of, timezone, week_start, currency and today are there already.
        """
        query = self.composed(name, fragments)
        plan = self.plan
        bound = {"as_of": self.as_of, "today": self.today, "zone": plan.timezone, "week_start": plan.week_start}
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, {**bound, "currency": plan.currency, **parameters}).fetchall()

    @staticmethod
    def composed(name: str, fragments: dict[str, sql.Composable]) -> sql.Composed:
        """A file of the folder sql with its braces filled."""
        return sql.SQL((_SQL / f"{name}.sql").read_text()).format(**fragments)

    def period(self, grain: str) -> sql.Composable:
        """The first local day of the calendar period of the column day."""
        if grain == "week":
            shift = sql.Literal(int(self.plan.week_start == "sunday"))
            return sql.SQL("(date_trunc('week', day + {0})::date - {0})").format(shift)
        return sql.SQL("date_trunc({}, day)::date").format(sql.Literal(grain))

    def periods(self, grain: str, first: date, last: date) -> dict[str, date]:
        """First and last calendar period that a range touches."""
        starts = (period_start(day, grain, self.plan.week_start) for day in (first, last))
        return dict(zip(("first_period", "last_period"), starts, strict=True))

    def last_day_of(self, grain: str, day: date) -> date:
        """Last local day of the calendar period of a day."""
        start = period_start(day, grain, self.plan.week_start)
        if grain == "month":
            return (start + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return start + timedelta(days=6 if grain == "week" else 0)

    def day_start(self, day: date) -> datetime:
        """The instant at which a local day begins: the first, where the clock shows midnight twice."""
        return datetime.combine(day, time(), ZoneInfo(self.plan.timezone))

    def events(
        self, wanted: sql.Composable, *used: sql.Composable, first: date | None = None, last: date | None = None
    ) -> sql.Composed:
        """A query for the events of local days first to last (inclusive; None: no bound) that meet a condition.

        Args:
            wanted: the condition.
            used: other fragments that the query applies to the events, so that it has their columns.
        """
        names = set(re.findall(r'"(\w+)"', " ".join(f.as_string() for f in (wanted, *used))))
        source = "events_of_marts" if names <= _MARTS_COLUMNS else "events"
        bounds = {"first": sql.Literal(first or _FAR_BACK), "last": sql.Literal(last or _FAR_AHEAD)}
        return self.composed(source, {"wanted": wanted, **bounds})


def tried(function: Any, *arguments: Any) -> Any:
    """Compile; what can't be compiled is the user's mistake. Raises UsageError."""
    try:
        return function(*arguments)
    except expressions.ExpressionError as error:
        raise UsageError(str(error)) from None


def fragment(tree: Any) -> sql.SQL:
    """A compiled expression as a part of a query with parameters."""
    return sql.SQL(expressions.to_sql(tree).replace("%", "%%").replace("{", "{{").replace("}", "}}"))


def period_start(day: date, grain: str, week_start: str) -> date:
    """First local day of the calendar period of a day."""
    if grain == "week":
        return day - timedelta(days=(day.weekday() + (week_start == "sunday")) % 7)
    return day.replace(day=1) if grain == "month" else day


def open_published(connection: psycopg.Connection) -> Published:
    """The published build.

    Raises:
        AnalyticsError: there is none, or none since the plan's document became what it is now.
    """
    if connection.execute("select to_regclass('marts.fct_events')").fetchone() == (None,):
        raise AnalyticsError("nothing is published yet: run `analytics-pipeline run` first")
    row = connection.execute(
        """
        select p.document, b.as_of, (b.as_of at time zone p.timezone)::date as today,
            (select min(day) from marts.fct_events)
        from ops.published_build as b cross join config.plan as p
        """
    ).fetchone()
    if row is None:
        raise AnalyticsError("no tracking plan is in force: publish one with `analytics-pipeline plan publish FILE`")
    document, as_of, today, first_day = row
    return Published(connection, TrackingPlan.model_validate(document), as_of, today, first_day or today)
