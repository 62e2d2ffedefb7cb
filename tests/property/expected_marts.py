"""What the marts of the rich plan must hold in a random world: the oracle's answers, or a few lines where it has none."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from tests.oracle import activity, events, funnels, money, paths, people, retention, sessions
from tests.oracle.events import Event, Expression, Grain, everything, in_days, local_day, midnight, named
from tests.oracle.funnels import Exclusion, Funnel
from tests.oracle.retention import Retention
from tests.oracle.sessions import Session
from tests.property.asking import in_steps, percentile
from tests.property.worlds import EXPRESSIONS, World, is_dear, of_country

Table = dict[tuple[Any, ...], Any]
DIMENSIONS: dict[str, Expression] = {"country": EXPRESSIONS["country"], "plan": EXPRESSIONS["plan"]}
TAIL = timedelta(days=28)
DAY = timedelta(days=1)
GRAINS: tuple[Grain, ...] = ("day", "week", "month")


class Expected:
    """The published tables of a world, by their keys."""

    def __init__(self, world: World) -> None:
        self.world, self.plan, self.as_of = world, world.plan, world.as_of
        self.today = local_day(world.as_of, world.plan)
        self.seen = world.seen
        self.days = [local_day(e.occurred_at, world.plan) for e in self.seen]
        self.sessions = sessions.all_sessions(world.persons, world.plan)
        self.owner = {e.event_id: person for person, own in world.persons.items() for e in own}
        self.shown = {name: self.kept_values(by) for name, by in DIMENSIONS.items()}
        self.spans = dict(self.all_spans())

    # --- dimensions ----------------------------------------------------------------------------------------------------------

    def kept_values(self, by: Expression) -> set[str]:
        """The two most frequent values."""
        values = [value for value in map(by, self.seen) if value is not None]
        ranked = sorted(set(values), key=lambda value: (-values.count(value), value))
        return set(ranked[:2])

    def value(self, dimension: str, raw: str | None) -> str:
        """What stands for a raw value."""
        if raw is None or raw == "(none)":
            return "(none)"
        return raw if dimension == "all" or raw in self.shown[dimension] else "(other)"

    def by(self, dimension: str) -> Expression:
        if dimension == "all":
            return lambda _: "all"
        return lambda event: self.value(dimension, DIMENSIONS[dimension](event))

    def session_value(self, dimension: str, session: Session) -> str:
        """The first value that is not null among its events."""
        if dimension == "all":
            return "all"
        values = [v for v in map(DIMENSIONS[dimension], session.members) if v is not None]
        return self.value(dimension, values[0] if values else None)

    def all_spans(self) -> Iterator[tuple[tuple[str, str], tuple[date, date]]]:
        """(dimension, value) -> first and last day of its series."""
        for dimension in ("all", *DIMENSIONS):
            days: dict[str, list[date]] = {}
            for event, day in zip(self.seen, self.days, strict=True):
                days.setdefault(str(self.by(dimension)(event)), []).append(day)
            for session in self.sessions:
                days.setdefault(self.session_value(dimension, session), []).append(local_day(session.started_at, self.plan))
            for value, found in days.items():
                last = self.today if dimension == "all" else min(max(found) + TAIL, self.today)
                yield (dimension, value), (min(found), last)

    # --- marts ---------------------------------------------------------------------------------------------------------------

    def funnels(self) -> dict[str, tuple[Funnel, Any]]:
        plan = self.plan
        view, cart, buy, ping = (named(n) for n in ("view", "cart", "buy", "ping"))
        german = lambda e: e.event_name == "view" and of_country(e)  # noqa: E731
        return {
            "ordered": (Funnel([view, cart, buy], "ordered", 2 * DAY, (Exclusion(ping, 1, 3),)), "first"),
            "repeated": (Funnel([plan.activity, plan.activity, is_dear], "ordered", None), "last"),
            "strict": (Funnel([view, cart, buy], "strict", DAY), 2),
            "unordered": (Funnel([cart, buy, german], "unordered", DAY / 2), "first"),
        }

    def fct_funnel_attempts(self) -> Table:
        rows: Table = {}
        for name, (funnel, _) in self.funnels().items():
            found = funnels.attempts(self.world.persons, funnel, self.plan)
            for day in {attempt.entry_day for attempt in found}:
                for person, attempt in funnels.deepest(found, day, day).items():
                    rows[name, person, day] = (attempt.depth, attempt.start.occurred_at, attempt.step_times)
        return rows

    def fct_funnel(self) -> Table:
        rows: Table = {}
        for name, (funnel, value_of) in self.funnels().items():
            found = funnels.attempts(self.world.persons, funnel, self.plan)
            for day in {attempt.entry_day for attempt in found}:
                best = list(funnels.deepest(found, day, day).values())
                partial = funnels.is_open(day, funnel, self.plan, self.as_of)
                for dimension in ("all", *DIMENSIONS):
                    groups: dict[str, list[Any]] = {}
                    for attempt in best:
                        value = "all"
                        if dimension != "all":
                            raw = funnels.breakdown_value(attempt, DIMENSIONS[dimension], value_of)
                            value = raw and self.value(dimension, raw)
                        groups.setdefault(value, []).append(attempt)
                    for value, group in groups.items():
                        for k, numbers in enumerate(in_steps(funnels.summary(group, len(funnel.steps))), start=1):
                            rows[name, day, dimension, value, k] = (*numbers, partial)
        return rows

    def fct_retention(self) -> Table:
        plan, view = self.plan, named("view")
        asked = {
            "weekly": (Retention(plan.activity, plan.activity, "first_time", "week", 4), ("all", "country")),
            "daily": (Retention(view, named("buy"), "recurring", "day", 8), ("all",)),
            "rolling": (Retention(view, plan.activity, "recurring", "day", 6, rolling=True), ("all",)),
            "monthly": (Retention(plan.activity, plan.activity, "recurring", "month", 2), ("all",)),
            "again": (Retention(plan.activity, plan.activity, "recurring", "day", 2), ("all",)),
        }
        rows: Table = {}
        for name, (definition, dimensions) in asked.items():
            for dimension in dimensions:
                arguments = (definition, plan, min(self.days, default=self.today), self.today, self.as_of)
                tables = retention.retention_values(self.world.persons, *arguments, self.by_person(dimension))
                for value, table in tables.items():
                    started = False
                    for cohort in table:
                        started = started or bool(cohort.cells[0])
                        for k in range(definition.periods + 1):
                            begins = self.cell_begins(definition, cohort.start, k)
                            if started and (k == 0 or begins <= self.as_of):
                                rows[name, dimension, value, cohort.start, k] = self.cell(definition, cohort, k)
        return rows

    def by_person(self, dimension: str) -> Expression:
        """A person is divided by their first value that is not null, where the value stands for others perhaps."""
        if dimension == "all":
            return lambda _: "all"
        by = DIMENSIONS[dimension]
        return lambda event: None if by(event) is None else self.value(dimension, by(event))

    def cell_begins(self, definition: Retention, cohort: date, k: int) -> datetime:
        if definition.rolling:
            return events.period_end(cohort, definition.grain, self.plan) + k * DAY
        return midnight(events.later_period(cohort, definition.grain, k), self.plan)

    def cell(self, definition: Retention, cohort: retention.Cohort, k: int) -> tuple[Any, ...]:
        persons, size = cohort.cells[k], cohort.cells[0]
        partial = persons is None if k else events.period_end(cohort.start, definition.grain, self.plan) > self.as_of
        return persons, persons / size if persons is not None and size else None, cohort.on_or_after[k], partial

    def fct_active_users(self) -> Table:
        rows: Table = {}
        for dimension in ("all", *DIMENSIONS):
            spans = {value: span for (d, value), span in self.spans.items() if d == dimension}
            if not spans:
                continue
            first, last = min(a for a, _ in spans.values()), max(b for _, b in spans.values())
            counts = [
                activity.active_users_values(self.world.persons, self.plan, first, last, self.by(dimension), window)
                for window in (1, 7, 30)
            ]
            for value, (begin, end) in spans.items():
                for day in events.periods(begin, end, "day", self.plan):
                    dau, wau, mau = (of.get((day, value), 0) for of in counts)
                    rows[dimension, value, day] = (dau, wau, mau, dau / mau if mau else None)
        return rows

    def first_active(self) -> date | None:
        active = [
            local_day(e.occurred_at, self.plan) for own in self.world.persons.values() for e in own if self.plan.activity(e)
        ]
        return min(active, default=None)

    def fct_lifecycle(self) -> Table:
        rows: Table = {}
        first = self.first_active()
        if first is None:
            return rows
        for grain in GRAINS:
            for row in activity.lifecycle(self.world.persons, self.plan, first, self.today, grain, self.as_of):
                partial = events.period_end(row.start, grain, self.plan) > self.as_of
                for status in ("new", "returning", "resurrecting", "dormant"):
                    if status != "dormant" or not partial:
                        rows[grain, row.start, status] = (getattr(row, status), partial)
        return rows

    def fct_stickiness(self) -> Table:
        rows: Table = {}
        first = self.first_active()
        if first is None:
            return rows
        for grain in GRAINS[1:]:
            for start in events.periods(first, self.today, grain, self.plan):
                last = events.next_period(start, grain) - DAY
                exact = activity.stickiness(self.world.persons, self.plan, start, last)
                more = activity.stickiness(self.world.persons, self.plan, start, last, cumulative=True)
                partial = events.period_end(start, grain, self.plan) > self.as_of
                for k, counts in enumerate(zip(exact, more, strict=True), start=1):
                    rows[grain, start, k] = (*counts, partial)
        return rows

    def fct_sessions(self) -> Table:
        found = sorted(self.sessions, key=lambda s: (s.person, s.started_at, s.members[-1].occurred_at))
        rows: Table = {}
        for (person, start), group in groupby(found, key=lambda s: (s.person, s.started_at)):
            rows[person, start] = sorted(
                [s.ended_at, s.duration_seconds, s.events, s.page_views, s.is_bounce, s.converted, s.value] for s in group
            )
        return rows

    def fct_transitions(self) -> Table:
        rows: Table = {}
        persons, plan = self.world.persons, self.plan
        for day in events.periods(min(self.days, default=self.today), self.today, "day", plan):
            for link in paths.transitions(paths.session_sequences(persons, plan, day, day)):
                rows["steps", day, link.source, link.target] = (link.transitions, link.persons, link.mean_seconds)
            for link in paths.transitions(paths.person_sequences(persons, plan, day, day, is_dear), EXPRESSIONS["country"]):
                rows["persons", day, link.source, link.target] = (link.transitions, link.persons, link.mean_seconds)
        return rows

    def fct_conversions(self) -> Table:
        rows: Table = {}
        for name, opportunity, window, match in (
            ("seen", named("view"), DAY, None),
            ("matched", self.plan.activity, None, EXPRESSIONS["plan"]),
        ):
            found = money.credit_conversions(
                self.seen, self.plan, opportunity, named("buy"), window, date.min, date.max, self.as_of, match
            )
            for credit in found:
                if credit.conversion.event_id in self.owner:
                    opened = credit.opportunity
                    rows[name, credit.conversion.event_id] = (
                        (opened.event_id, opened.occurred_at, credit.seconds) if opened else (None, None, None)
                    ) + (money.in_plan_currency(credit.conversion, self.plan) if credit.conversion.value is not None else None,)
        return rows

    def fct_revenue(self) -> Table:
        """By day alone: the mart divides by currency as well, and that adds up."""
        if not self.days:
            return {}
        arguments = (min(self.days), max(self.days), self.as_of)
        net = money.revenue(self.seen, self.plan, named("buy"), named("back"), *arguments)
        gross = money.revenue(self.seen, self.plan, named("buy"), events.nothing, *arguments)
        left = [local_day(e.occurred_at, self.plan) for e in net.unconverted]
        rows: Table = {}
        for event, day in zip(self.seen, self.days, strict=True):
            if event.event_name in {"buy", "back"} and event.value is not None:
                rows[(day,)] = (gross.by_day[day], gross.by_day[day] - net.by_day[day], net.by_day[day], left.count(day))
        return rows

    def dim_segments(self) -> Table:
        plan, persons = self.plan, self.world.persons
        customers = people.rfm(persons, plan, named("buy"), self.today)
        recent = {}
        for person, own in persons.items():
            active = [e for e in own if plan.activity(e) and local_day(e.occurred_at, plan) > self.today - 30 * DAY]
            if active:
                days = {local_day(e.occurred_at, plan) for e in active}
                recent[person] = (max(days), len(days), len(active) / len(days), len({e.event_name for e in active}))
        rows: Table = {}
        for person, own in persons.items():
            parts = [rank([r[i] for r in recent.values()], recent[person][i]) for i in range(4)] if person in recent else []
            engagement = round(100 * sum(p * w for p, w in zip(parts, (0.3, 0.3, 0.2, 0.2), strict=False)), 2)
            days = {local_day(e.occurred_at, plan) for e in own if plan.activity(e)}
            since = (self.today - max(days)).days if days else None
            churned = not days or midnight(max(days) + DAY, plan) + 4 * DAY <= self.as_of
            bought = customers.get(person)
            frequency = bought.frequency if bought else 0
            segment = None
            if frequency >= 2:
                segment = "loyal"
            elif churned or (since or 0) > 5:
                segment = "gone"
            elif engagement > 50 and len(days) > 1:
                segment = "engaged"
            rows[(person,)] = (
                *(frequency, bought.recency if bought else None, bought.t if bought else None),
                *(bought.monetary if bought else 0, engagement, len(days), since, len(own), churned, segment),
            )
        return rows

    # --- KPIs ----------------------------------------------------------------------------------------------------------------

    def kpi_values(self) -> Table:
        rows: Table = {}
        for kpi, (measures, grains, dimensions) in self.kpis().items():
            for (dimension, value), (first, last) in self.spans.items():
                if dimension != "all" and dimension not in dimensions:
                    continue
                for grain in grains:
                    for begin, end, last_day in self.periods(grain, first, last):
                        numbers = [measure(dimension, value, begin, end, grain, last_day) for measure in measures]
                        above, below = numbers[0], numbers[1] if len(numbers) > 1 else None
                        share = float(above) / float(below) if below else None
                        result = share if len(numbers) > 1 else above
                        rows[kpi, grain, begin, dimension, value] = (above, below, result, end > self.as_of)
        return rows

    def periods(self, grain: str, first: date, last: date) -> Iterator[tuple[datetime, datetime, date]]:
        """Begin, end and last day of every period; hours until as_of."""
        if grain != "hour":
            for start in events.periods(first, last, grain, self.plan):  # type: ignore[arg-type]
                following = events.next_period(start, grain)  # type: ignore[arg-type]
                yield midnight(start, self.plan), midnight(following, self.plan), following - DAY
            return
        moment = midnight(first, self.plan)
        while moment < events.period_end(last, "day", self.plan) and moment <= self.as_of:
            yield moment, moment + timedelta(hours=1), local_day(moment, self.plan)
            moment += timedelta(hours=1)

    def kpis(self) -> dict[str, tuple[list[Callable[..., Any]], tuple[str, ...], tuple[str, ...]]]:
        buy, back, view = named("buy"), named("back"), named("view")
        revenue, refunds = self.over_events(buy, self.total), self.over_events(back, self.total)
        every = ("hour", *GRAINS)
        count_of_sessions = self.over_sessions(lambda found: len(found))
        seconds = self.over_sessions(lambda found: sum(s.duration_seconds for s in found))
        return {
            "net": ([lambda *a: revenue(*a) - refunds(*a)], GRAINS, ("country", "plan")),
            "buyers": ([self.over_events(buy, self.persons)], every, ("country",)),
            "buying": ([self.over_events(buy, self.persons), self.over_events(view, self.persons)], GRAINS, ("plan",)),
            "orders": ([self.over_events(buy, len)], ("hour", "day"), ()),
            "devices": ([self.over_events(everything, self.devices)], GRAINS, ("country",)),
            "median_order": ([self.over_events(buy, self.median)], every, ("country",)),
            "p90_of_devices": ([self.over_events(buy, self.best_devices)], GRAINS, ()),
            "length": ([seconds, count_of_sessions], GRAINS, ("country",)),
            "dau": ([self.active(1)], GRAINS, ("country",)),
            "wau": ([self.active(7)], GRAINS, ()),
            "stickiness": ([self.active(1), self.active(30)], GRAINS, ("plan",)),
        }

    def over_events(self, meant: Callable[[Event], bool], count: Callable[[list[Event]], Any]) -> Callable[..., Any]:
        def measure(dimension: str, value: str, begin: datetime, end: datetime, *_: Any) -> Any:
            by = self.by(dimension)
            return count([e for e in self.seen if begin <= e.occurred_at < end and meant(e) and by(e) == value])

        return measure

    def over_sessions(self, count: Callable[[list[Session]], Any]) -> Callable[..., Any]:
        def measure(dimension: str, value: str, begin: datetime, end: datetime, *_: Any) -> Any:
            found = [s for s in self.sessions if begin <= s.started_at < end]
            return count([s for s in found if self.session_value(dimension, s) == value])

        return measure

    def active(self, window: int) -> Callable[..., Any]:
        """Plain uniques of a period that is not shorter than the window, else the number of its last day."""

        def measure(dimension: str, value: str, begin: datetime, end: datetime, grain: str, last_day: date) -> int:
            first, last = local_day(begin, self.plan), last_day
            if window > {"day": 1, "week": 7, "month": 30}[grain]:
                last = min(last, self.today)
                first = last - (window - 1) * DAY
            by = self.by(dimension)
            return sum(
                any(self.plan.activity(e) and in_days(e, first, last, self.plan) and by(e) == value for e in own)
                for own in self.world.persons.values()
            )

        return measure

    def total(self, group: list[Event]) -> Decimal:
        return sum((money.amount(e, self.plan) for e in group), Decimal(0))

    def persons(self, group: list[Event]) -> int:
        return len({self.owner.get(e.event_id) for e in group} - {None})

    def devices(self, group: list[Event]) -> int:
        return len({e.anonymous_id for e in group} - {None})

    def amounts(self, group: list[Event]) -> list[tuple[Event, Decimal]]:
        found = [(e, money.in_plan_currency(e, self.plan)) for e in group if e.value is not None]
        return [(e, amount) for e, amount in found if amount is not None]

    def median(self, group: list[Event]) -> float | None:
        return percentile([float(amount) for _, amount in self.amounts(group)], 0.5)

    def best_devices(self, group: list[Event]) -> float | None:
        sums: dict[str, float] = {}
        for event, amount in self.amounts(group):
            if event.anonymous_id is not None:
                sums[event.anonymous_id] = sums.get(event.anonymous_id, 0) + float(amount)
        return percentile(list(sums.values()), 0.9)


def rank(numbers: list[Any], number: Any) -> float:
    """The share of the others that are below."""
    return sum(n < number for n in numbers) / (len(numbers) - 1) if len(numbers) > 1 else 0


QUERIES: dict[str, tuple[int, str]] = {
    "fct_funnel_attempts": (
        3,
        "select funnel, person_key, entry_day, depth, entered_at, step_times from marts.fct_funnel_attempts",
    ),
    "fct_funnel": (
        5,
        """
        select funnel, entry_day, dimension, dimension_value, step,
            persons, conversion, step_conversion, average_seconds, median_seconds, is_partial
        from marts.fct_funnel
        """,
    ),
    "fct_retention": (
        5,
        """
        select retention, dimension, dimension_value, cohort_start, period, persons, rate, persons_on_or_after, is_partial
        from marts.fct_retention
        """,
    ),
    "fct_active_users": (3, "select dimension, dimension_value, day, dau, wau, mau, stickiness from marts.fct_active_users"),
    "fct_lifecycle": (3, "select grain, period_start, status, persons, is_partial from marts.fct_lifecycle"),
    "fct_stickiness": (
        3,
        "select grain, period_start, active_days, persons, persons_or_more, is_partial from marts.fct_stickiness",
    ),
    "fct_transitions": (4, "select flow, day, source, target, transitions, persons, mean_seconds from marts.fct_transitions"),
    "fct_conversions": (
        2,
        "select conversion, event_id, opportunity_id, opportunity_at, seconds, value from marts.fct_conversions where is_credited"
        " union all select conversion, event_id, null, null, null, value from marts.fct_conversions where not is_credited",
    ),
    "fct_revenue": (
        1,
        "select day, sum(gross), sum(refunded), sum(net), sum(unconverted)::int from marts.fct_revenue group by day",
    ),
    "dim_segments": (
        1,
        """
        select person_key, frequency, recency_days, age_days, monetary, engagement, active_days, days_since_active, events,
            is_churned, segment
        from marts.dim_segments
        """,
    ),
    "kpi_values": (
        5,
        """
        select kpi_name, grain, period_start, dimension, dimension_value, numerator, denominator, value, is_partial
        from kpi.kpi_values
        """,
    ),
}
