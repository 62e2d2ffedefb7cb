"""Random questions, what `ask` is to answer to them by the oracle, and what it answered, in one shape."""

import random
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from analytics_pipeline.insights.answers import Answer
from tests.oracle import activity, events, funnels, money, paths, people, retention, sessions
from tests.oracle.activity import EventCount
from tests.oracle.events import Event, Expression, Plan, Selector, in_days, named
from tests.oracle.funnels import Exclusion, Funnel, FunnelResult
from tests.oracle.retention import Cohort, Retention
from tests.property.worlds import EXPRESSIONS, Picked, World, first_seen_day, selectors

Document = dict[str, Any]
Expected = dict[str, Any]
WINDOWS: list[tuple[str, timedelta | None]] = [
    ("none", None),
    ("900s", timedelta(minutes=15)),
    ("30m", timedelta(minutes=30)),
    ("1h", timedelta(hours=1)),
    ("12h", timedelta(hours=12)),
    ("24h", timedelta(days=1)),
    ("2d", timedelta(days=2)),
    ("14d", timedelta(days=14)),
]


class Asker:
    """Makes questions about a world, each with the answer that the oracle gives."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng, self.plan = world, rng, world.plan
        self.selectors = selectors(world.plan)

    def ask(self, analysis: str) -> tuple[Document, Expected]:
        """A random question of this analysis, and its answer."""
        asked, first, last = self.days()
        document, expected = getattr(self, analysis)(first, last)
        return {"analysis": analysis, **asked, **document}, {"first_day": first, "last_day": last, **expected}

    def days(self) -> tuple[Document, date, date]:
        """A range as it is asked for (days that are left out have their default), and what it means."""
        world, rng = self.world, self.rng
        today = events.local_day(world.as_of, self.plan)
        span = (world.last - world.first).days
        ends = sorted(world.first + timedelta(days=rng.randint(-2, span + 3)) for _ in range(2))
        pick = rng.random()
        if pick < 0.45:
            return {"from": world.first - timedelta(days=1), "to": world.last}, world.first - timedelta(days=1), world.last
        if pick < 0.55:
            return {}, min(first_seen_day(world), today), today
        if pick < 0.65:
            return {"to": ends[1]}, min(first_seen_day(world), ends[1]), ends[1]
        return {"from": ends[0], "to": ends[1]}, ends[0], ends[1]

    def selector(self) -> Picked:
        return self.rng.choice(self.selectors)

    def maybe(self, key: str, default: Selector) -> tuple[Document, Selector]:
        """A selector under this key, or none."""
        if self.rng.random() < 0.4:
            return {}, default
        written, meant = self.selector()
        return {key: written}, meant

    def divided(self, chance: float = 0.5) -> tuple[Document, Expression | None]:
        if self.rng.random() > chance:
            return {}, None
        name = self.rng.choice(list(EXPRESSIONS))
        return {"breakdown": name}, EXPRESSIONS[name]

    # --- funnels -------------------------------------------------------------------------------------------------------------

    def funnel(self, first: date, last: date) -> tuple[Document, Expected]:
        rng, world = self.rng, self.world
        number = rng.choice([2, 2, 3, 3, 3, 4, 5])
        likely = [s for s in self.selectors if s[0] != "nothing"]
        steps = [rng.choice(likely) for _ in range(number)]
        if rng.random() < 0.3:
            steps[1:] = [rng.choice([steps[0], ("any", self.plan.activity)]) for _ in steps[1:]]
        order = rng.choice(["ordered", "ordered", "strict", "unordered"])
        window, length = rng.choice(WINDOWS)
        document: Document = {"steps": [s for s, _ in steps], "order": order, "window": window, "persons": True}
        exclusions = []
        for _ in range(rng.choice([0, 0, 1, 2])):
            written, meant = self.selector()
            begin, end = sorted(rng.sample(range(1, number + 1), 2))
            as_mapping = {"event": written} if isinstance(written, str) else written
            document.setdefault("exclude", []).append({**as_mapping, "from_step": begin, "to_step": end})
            if order == "strict":  # looks at activity and at nothing else
                meant = both(meant, self.plan.activity)
            exclusions.append(Exclusion(meant, begin, end))
        divided, by = self.divided()
        document.update(divided)
        value_of = rng.choice(["first", "first", "last", rng.randint(1, number)])
        document["breakdown_value"] = value_of
        asked = Funnel([s for _, s in steps], order, length, tuple(exclusions))  # type: ignore[arg-type]
        arguments = (world.persons, asked, self.plan, first, last)
        best = funnels.deepest(funnels.attempts(world.persons, asked, self.plan), first, last)
        expected = {
            "steps": in_steps(funnels.funnel_range(*arguments, world.as_of)),
            "days": {
                day: (result.is_partial, in_steps(result))
                for day, result in funnels.funnel_days(*arguments, world.as_of).items()
                if result.persons[0]
            },
            "values": {},
            "reached": [sorted(p for p, a in best.items() if a.depth >= k) for k in range(1, number + 1)],
        }
        if by:
            values = funnels.funnel_values(*arguments, world.as_of, by, value_of)  # type: ignore[arg-type]
            expected["values"] = {value: in_steps(result) for value, result in values.items()}
        return document, expected

    def conversion(self, first: date, last: date) -> tuple[Document, Expected]:
        rng, world = self.rng, self.world
        (opportunity, is_opportunity), (conversion, is_conversion) = self.selector(), self.selector()
        window, length = rng.choice(WINDOWS)
        document: Document = {"opportunity": opportunity, "conversion": conversion, "window": window}
        match = rng.choice([None, None, "properties.plan", "country"])
        if match:
            document["match"] = match
        divided, by = self.divided()
        found = money.credit_conversions(
            world.events,
            self.plan,
            is_opportunity,
            is_conversion,
            length,
            first,
            last,
            world.as_of,
            EXPRESSIONS[match] if match else None,
        )
        total = money.credit_summary(found)
        values = money.credit_values(found, by) if by else {}
        return {**document, **divided}, {
            "conversions": total.conversions,
            "credited": total.credited,
            "amount": total.value,
            "uncredited_amount": total.uncredited_value,
            "mean_seconds": total.mean_seconds,
            "values": {v: (r.credited, r.value, r.mean_seconds) for v, r in values.items()},
        }

    # --- retention and activity ----------------------------------------------------------------------------------------------

    def retention(self, first: date, last: date) -> tuple[Document, Expected]:
        rng, world = self.rng, self.world
        start, is_start = self.maybe("start", self.plan.activity)
        back, is_return = self.maybe("return", self.plan.activity)
        mode, grain = rng.choice(["recurring", "first_time"]), rng.choice(["day", "day", "week", "month"])
        asked = Retention(is_start, is_return, mode, grain, rng.choice([1, 2, 5, 9]), rng.random() < 0.35)  # type: ignore[arg-type]
        document = {"mode": mode, "grain": grain, "periods": asked.periods, "rolling": asked.rolling, **start, **back}
        divided, by = self.divided(0.3)
        arguments = (self.plan, first, last, world.as_of)
        if by:
            tables = retention.retention_values(world.persons, asked, *arguments, by)
            daily = Retention(is_start, is_return, asked.mode, "day", 30)
            days = retention.retention_values(world.persons, daily, *arguments, by)
            day_n = {
                (value, cohort.start): (cohort.cells[0], *(cohort.cells[k] for k in (1, 7, 30)))
                for value, table in days.items()
                for cohort in table
            }
        else:
            tables = {"all": retention.retention_table(world.persons, asked, *arguments)}
            sizes = retention.retention_table(world.persons, Retention(is_start, is_return, asked.mode, "day", 1), *arguments)
            cells = retention.day_retention(world.persons, asked, *arguments)
            day_n = {("all", c.start): (c.cells[0], *cells[c.start].values()) for c in sizes}
        expected = {
            "cells": {
                (value, cohort.start, k): self.cell(cohort, k, asked)
                for value, table in tables.items()
                for cohort in table
                for k in range(asked.periods + 1)
            },
            "day_n": day_n,
        }
        return {**document, **divided}, expected

    def cell(self, cohort: Cohort, k: int, asked: Retention) -> tuple[Any, ...]:
        """(persons, rate, persons_on_or_after, is_partial) of a cell."""
        persons, size = cohort.cells[k], cohort.cells[0]
        rate = persons / size if persons is not None and size else None
        partial = persons is None
        if k == 0:
            partial = events.period_end(cohort.start, asked.grain, self.plan) > self.world.as_of
        return persons, rate, cohort.on_or_after[k], partial

    def active_users(self, first: date, last: date) -> tuple[Document, Expected]:
        rng, world = self.rng, self.world
        chosen, meant = self.maybe("events", self.plan.activity)
        divided, by = self.divided()
        grain = rng.choice(["day", "day", "day", "week", "month"])
        starts = events.periods(first, last, grain, self.plan)  # type: ignore[arg-type]
        partial = {s: events.period_end(s, grain, self.plan) > world.as_of for s in starts}  # type: ignore[arg-type]
        if grain == "day":
            window = rng.choice([1, 1, 2, 7, 30])
            document: Document = {"grain": grain, "window_days": window, **chosen, **divided}
            if by:
                counts = activity.active_users_values(world.persons, self.plan, first, last, by, window, meant)
            else:
                series = activity.active_users(world.persons, self.plan, first, last, window, meant)
                counts = {(day, "all"): n for day, n in zip(starts, series, strict=True)}
        else:
            document = {"grain": grain, **chosen, **divided}
            if by:
                counts = activity.active_buckets_values(world.persons, self.plan, first, last, grain, by, meant)  # type: ignore[arg-type]
            else:
                buckets = activity.active_buckets(world.persons, self.plan, first, last, grain, world.as_of, meant)  # type: ignore[arg-type]
                counts = {(b.start, "all"): b.persons for b in buckets}
        counts = {k: n for k, n in counts.items() if n}
        return document, {"counts": counts, "partial": partial if counts or not by else {}}

    def stickiness(self, first: date, last: date) -> tuple[Document, Expected]:
        rng = self.rng
        chosen, meant = self.maybe("events", self.plan.activity)
        grain, every, cumulative = rng.choice(["day", "day", "week", "month"]), rng.choice([1, 1, 2, 3]), rng.random() < 0.4
        document = {"grain": grain, "every": every, "cumulative": cumulative, **chosen}
        count = None
        if rng.random() < 0.5:
            rule = {rng.choice(["at_least", "at_most", "exactly"]): rng.randint(1, 3)}
            document["count"], count = rule, EventCount(**rule)
        persons = activity.stickiness(
            self.world.persons,
            self.plan,
            first,
            last,
            grain,  # type: ignore[arg-type]
            every,
            cumulative,
            count,
            meant,
        )
        return document, {"rows": dict(enumerate(persons, start=1))}

    def lifecycle(self, first: date, last: date) -> tuple[Document, Expected]:
        chosen, meant = self.maybe("events", self.plan.activity)
        grain = self.rng.choice(["day", "week", "month"])
        as_of = self.world.as_of
        found = activity.lifecycle(self.world.persons, self.plan, first, last, grain, as_of, meant)  # type: ignore[arg-type]
        rows = {}
        for row in found:
            partial = events.period_end(row.start, grain, self.plan) > as_of  # type: ignore[arg-type]
            rows[row.start] = (row.new, row.returning, row.resurrecting, None if partial else row.dormant, partial)
        return {"grain": grain, **chosen}, {"rows": rows}

    def sessions(self, first: date, last: date) -> tuple[Document, Expected]:
        found = sessions.sessions(self.world.persons, self.plan, first, last)
        rows = [
            (s.person, s.started_at, s.ended_at, s.duration_seconds, s.events, s.page_views, s.is_bounce, s.converted, s.value)
            for s in found
        ]
        seconds = [s.duration_seconds for s in found]
        return {"list": True}, {
            "totals": (
                len(found),
                len({s.person for s in found}),
                sum(s.events for s in found),
                sum(s.page_views for s in found),
                sum(s.converted for s in found),
                sum(s.is_bounce for s in found),
                sessions.bounce_rate(found),
                mean(seconds),
                percentile(seconds, 0.5),
                sum((s.value for s in found), Decimal(0)),
            ),
            "rows": sorted(rows, key=str),
        }

    # --- sequences -----------------------------------------------------------------------------------------------------------

    def sequence_options(self, first: date, last: date, by: str) -> tuple[Document, list[paths.Sequence], Expression]:
        chosen, meant = self.maybe("events", self.plan.activity)
        node = self.rng.choice(["event_name", "event_name", *EXPRESSIONS])
        world = self.world
        if by == "session":
            found = paths.session_sequences(world.persons, self.plan, first, last, meant)
        elif by == "person":
            found = paths.person_sequences(world.persons, self.plan, first, last, meant)
        else:
            found = paths.entity_sequences(world.events, self.plan, first, last, world.as_of, meant)
        node = node if node != "plan" else "properties.plan"
        return {"by": by, "node": node, **chosen}, found, EXPRESSIONS[node]

    def transitions(self, first: date, last: date) -> tuple[Document, Expected]:
        document, found, node = self.sequence_options(first, last, self.rng.choice(["session", "person"]))
        return document, {"rows": links(paths.transitions(found, node))}

    def paths(self, first: date, last: date) -> tuple[Document, Expected]:
        rng = self.rng
        document, found, node = self.sequence_options(first, last, rng.choice(["session", "person"]))
        options: Document = {"steps": rng.choice([2, 3, 5]), "collapse_repeats": rng.random() < 0.4}
        names = sorted({name for sequence in found for name, _ in paths.nodes(sequence, node)} | {"view"})
        end = rng.choice([None, "from_event", "to_event"])
        if end:
            options[end] = rng.choice(names)
        return {**document, **options}, {"rows": links(paths.paths(found, node, **options))}

    def variants(self, first: date, last: date) -> tuple[Document, Expected]:
        by = self.rng.choice(["session", "person", "entity", "entity"])
        document, found, node = self.sequence_options(first, last, by)
        limit = self.rng.choice([50, 3])
        rows = [(v.path, v.entities, v.share, v.mean_seconds) for v in paths.variants(found, node)]
        return {**document, "limit": limit}, {"entities": len(found), "rows": rows[:limit]}

    # --- money ---------------------------------------------------------------------------------------------------------------

    def rfm(self, _: date, last: date) -> tuple[Document, Expected]:
        chosen, meant = self.maybe("events", named("buy"))
        found = people.rfm(self.world.persons, self.plan, meant, last)
        return chosen, {"rows": {p: (r.frequency, r.recency, r.t, r.monetary) for p, r in found.items()}}

    def revenue(self, first: date, last: date) -> tuple[Document, Expected]:
        world = self.world
        found = money.revenue(world.events, self.plan, named("buy"), named("back"), first, last, world.as_of)
        gross = money.revenue(world.events, self.plan, named("buy"), events.nothing, first, last, world.as_of)
        return {}, {
            "rows": {day: (gross.by_day[day], gross.by_day[day] - net, net) for day, net in found.by_day.items()},
            "unconverted": [(e.event_id, e.occurred_at, e.value, e.currency) for e in found.unconverted],
        }

    # --- measures ------------------------------------------------------------------------------------------------------------

    def measure(self, first: date, last: date) -> tuple[Document, Expected]:
        """A formula of one measure, or of one over another, counted by hand."""
        rng, world, plan = self.rng, self.world, self.plan
        inside = [e for e in world.seen if in_days(e, first, last, plan)]
        owner = {e.event_id: person for person, own in world.persons.items() for e in own}
        grain = rng.choice(["hour", "day", "week", "month", "range"])
        own: dict[str, tuple[Document, Callable[[list[Event]], Any]]] = {}
        for name in ("one", "two"):
            written, meant = rng.choice(CONDITIONS)
            where: Document = {"where": written} if written else {}
            own[name] = rng.choice(
                [
                    ({"count": "events", **where}, counted(meant)),
                    ({"count": "persons", **where}, persons_counted(meant, owner)),
                    ({"count_distinct": "anonymous_id", **where}, distinct(meant, EXPRESSIONS_OF_ITEMS["anonymous_id"])),
                    ({"count_distinct": "properties.plan", **where}, distinct(meant, EXPRESSIONS_OF_ITEMS["properties.plan"])),
                    ({"sum": "value", **where}, summed(meant, plan)),
                    ({"percentile": 75, "over": "value", **where}, percentile_of(meant, plan, 0.75)),
                ]
            )
        is_ratio = rng.random() < 0.4
        divided, by = self.divided(0.4)
        if grain == "hour":
            last = min(last, first + timedelta(days=3))
            inside = [e for e in inside if in_days(e, first, last, plan)]
        starts = self.starts(grain, first, last)
        groups: dict[tuple[datetime, str], list[Event]] = {}
        for event in inside:
            value = "all" if by is None else by(event)
            start = max(s for s in starts if s <= event.occurred_at)
            groups.setdefault((start, "(none)" if value is None else value), []).append(event)
        values = {value for _, value in groups} if by else {"all"}
        rows = {}
        for start in starts:
            for value in values:
                group = groups.get((start, value), [])
                above, below = own["one"][1](group), own["two"][1](group)
                share = float(above) / float(below) if below and above is not None else None
                result = (above, below, share) if is_ratio else (above, None, above)
                rows[start, value] = (*result, self.ends(grain, start, last) > world.as_of)
        document = {
            "formula": "one / two" if is_ratio else "one",
            "measures": {name: measure for name, (measure, _) in own.items()},
            "grain": grain,
            "from": first,
            "to": last,
            **divided,
        }
        return document, {"rows": rows, "last_day": last, "first_day": first}

    def starts(self, grain: str, first: date, last: date) -> list[datetime]:
        """The instants at which the periods of a range begin; an hour that the clock repeats is there twice."""
        if grain == "range":
            return [events.midnight(first, self.plan)]
        if grain != "hour":
            return [events.midnight(day, self.plan) for day in events.periods(first, last, grain, self.plan)]  # type: ignore[arg-type]
        found, moment = [], events.midnight(first, self.plan)
        while moment < events.period_end(last, "day", self.plan):
            found.append(moment)
            moment += timedelta(hours=1)
        return found

    def ends(self, grain: str, start: datetime, last: date) -> datetime:
        if grain == "hour":
            return start + timedelta(hours=1)
        if grain == "range":
            return events.period_end(last, "day", self.plan)
        day = events.local_day(start, self.plan)
        return events.period_end(day, grain, self.plan)  # type: ignore[arg-type]


CONDITIONS: list[tuple[str | None, Selector]] = [
    (None, events.everything),
    ("event_name = 'buy'", named("buy")),
    ("value > 5", lambda e: e.value is not None and e.value > 5),
    ("country = 'DE'", lambda e: e.country == "DE"),
]
EXPRESSIONS_OF_ITEMS: dict[str, Expression] = {
    "anonymous_id": lambda e: e.anonymous_id,
    "properties.plan": lambda e: e.properties.get("plan"),
}


def both(one: Selector, other: Selector) -> Selector:
    return lambda event: one(event) and other(event)


def counted(meant: Selector) -> Callable[[list[Event]], Any]:
    return lambda group: sum(map(meant, group))


def persons_counted(meant: Selector, owner: dict[Any, str]) -> Callable[[list[Event]], Any]:
    return lambda group: len({owner[e.event_id] for e in group if meant(e) and e.event_id in owner})


def distinct(meant: Selector, of: Expression) -> Callable[[list[Event]], Any]:
    return lambda group: len({of(e) for e in group if meant(e)} - {None})


def summed(meant: Selector, plan: Plan) -> Callable[[list[Event]], Any]:
    return lambda group: sum((money.amount(e, plan) for e in group if meant(e)), Decimal(0))


def percentile_of(meant: Selector, plan: Plan, share: float) -> Callable[[list[Event]], Any]:
    def found(group: list[Event]) -> float | None:
        amounts = [money.in_plan_currency(e, plan) for e in group if meant(e) and e.value is not None]
        return percentile([float(a) for a in amounts if a is not None], share)

    return found


def mean(numbers: list[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def percentile(numbers: list[float], share: float) -> float | None:
    """At place share x (n - 1) of the sorted numbers, between its neighbours."""
    if not numbers:
        return None
    ranked, place = sorted(numbers), share * (len(numbers) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def in_steps(result: FunnelResult) -> list[tuple[Any, ...]]:
    found = asdict(result)
    names = ("persons", "conversion", "step_conversion", "average_seconds", "median_seconds")
    return list(zip(*(found[name] for name in names), strict=True))


def links(found: list[paths.Link]) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {(x.source, x.target): (x.transitions, x.persons, x.mean_seconds) for x in found}


# --- what was answered, in the same shape --------------------------------------------------------------------------------


def got(answer: Answer) -> Expected:
    """The answer as `Asker` expects it."""
    return {"first_day": answer.first_day, "last_day": answer.last_day, **_SHAPES[answer.analysis](answer)}


def _steps(rows: list[Any]) -> list[tuple[Any, ...]]:
    assert [r.step for r in rows] == list(range(1, len(rows) + 1))
    return [(r.persons, r.conversion, r.step_conversion, r.average_seconds, r.median_seconds) for r in rows]


def _grouped(rows: list[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _funnel(a: Any) -> Expected:
    days = _grouped(a.days, lambda r: (r.entry_day, r.is_partial))
    return {
        "steps": _steps(a.steps),
        "days": {day: (partial, _steps(rows)) for (day, partial), rows in days.items()},
        "values": {value: _steps(rows) for value, rows in _grouped(a.values, lambda r: r.value).items()},
        "reached": [sorted(keys) for keys in a.reached] or [[] for _ in a.steps],
    }


def _conversion(a: Any) -> Expected:
    names = ("conversions", "credited", "amount", "uncredited_amount", "mean_seconds")
    return {n: getattr(a, n) for n in names} | {"values": {r.value: (r.credited, r.amount, r.mean_seconds) for r in a.values}}


def _retention(a: Any) -> Expected:
    return {
        "cells": {
            (r.value, r.cohort_start, r.period): (r.persons, r.rate, r.persons_on_or_after, r.is_partial) for r in a.cells
        },
        "day_n": {(r.value, r.cohort_day): (r.persons, r.day_1, r.day_7, r.day_30) for r in a.day_n},
    }


def _active_users(a: Any) -> Expected:
    return {
        "counts": {(r.period_start, r.value): r.persons for r in a.rows if r.persons},
        "partial": {r.period_start: r.is_partial for r in a.rows},
    }


def _sessions(a: Any) -> Expected:
    names = [
        "sessions",
        "persons",
        "events",
        "page_views",
        "converted",
        "bounces",
        "bounce_rate",
        "average_seconds",
        "median_seconds",
    ]
    rows = [
        (
            *(r.person_key, r.started_at.astimezone(UTC), r.ended_at.astimezone(UTC), float(r.duration_seconds), r.events),
            *(r.page_views, r.is_bounce, r.converted, r.value or 0),
        )
        for r in a.rows
    ]
    return {"totals": (*(getattr(a, n) for n in names), a.value or 0), "rows": sorted(rows, key=str)}


_SHAPES: dict[str, Callable[[Any], Expected]] = {
    "funnel": _funnel,
    "conversion": _conversion,
    "retention": _retention,
    "active_users": _active_users,
    "stickiness": lambda a: {"rows": {r.periods: r.persons for r in a.rows}},
    "lifecycle": lambda a: {
        "rows": {r.period_start: (r.new, r.returning, r.resurrecting, r.dormant, r.is_partial) for r in a.rows}
    },
    "sessions": _sessions,
    "transitions": lambda a: {"rows": {(r.source, r.target): (r.transitions, r.persons, r.mean_seconds) for r in a.rows}},
    "paths": lambda a: {"rows": {(r.source, r.target): (r.transitions, r.persons, r.mean_seconds) for r in a.rows}},
    "variants": lambda a: {"entities": a.entities, "rows": [(r.path, r.entities, r.share, r.mean_seconds) for r in a.rows]},
    "rfm": lambda a: {"rows": {r.person_key: (r.frequency, r.recency_days, r.age_days, r.monetary) for r in a.rows}},
    "revenue": lambda a: {
        "rows": {r.day: (r.gross, r.refunded, r.net) for r in a.rows},
        "unconverted": [(r.event_id, r.occurred_at, r.value, r.currency) for r in a.unconverted],
    },
    "measure": lambda a: {
        "rows": {(r.period_start, r.value): (r.numerator, r.denominator, r.result, r.is_partial) for r in a.rows}
    },
}
ANALYSES = tuple(_SHAPES)


def difference(expected: Any, found: Any, where: str = "") -> str:
    """Where the two differ, or nothing. Numbers may differ by a billionth, or a millionth of a second."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected.keys() != found.keys():
            missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
            return f"{where}: lacks {sorted(missing, key=str)[:5]}, has {sorted(extra, key=str)[:5]}"
        pairs = [(f"{where}/{key}", expected[key], found[key]) for key in expected]
    elif isinstance(expected, (list, tuple)) and isinstance(found, (list, tuple)):
        if len(expected) != len(found):
            return f"{where}: {list(expected)} expected, found {list(found)}"
        pairs = [(f"{where}[{i}]", one, other) for i, (one, other) in enumerate(zip(expected, found, strict=True))]
    else:
        return "" if same(expected, found) else f"{where}: {expected!r} expected, found {found!r}"
    return next((text for pair in pairs if (text := difference(pair[1], pair[2], pair[0]))), "")


def same(one: Any, other: Any) -> bool:
    numbers = (int, float, Decimal)
    if isinstance(one, numbers) and isinstance(other, numbers) and not isinstance(one, bool) and not isinstance(other, bool):
        return abs(float(one) - float(other)) <= 1e-9 * max(1.0, abs(float(one))) + (1e-6 if abs(float(one)) > 1 else 0)
    return (type(one) is type(other) and bool(one == other)) or (one == other and not isinstance(one, bool))
