"""The oracle held against cases of other projects and against numbers worked by hand."""

import itertools
import json
import random
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import activity, events, funnels, money, paths, people, retention, sessions
from tests.oracle.events import Event, Grain, Persons, Plan, everything, identify, named, nothing
from tests.oracle.funnels import Exclusion, Funnel, FunnelResult
from tests.oracle.retention import Retention

Case = dict[str, Any]
CASE_FILES = ("activity", "funnels", "paths", "people", "retention", "sessions")
CASES: list[Case] = [
    case for name in CASE_FILES for case in json.loads((Path(__file__).parents[1] / "cases" / f"{name}.json").read_text())
]
BERLIN, NEW_YORK, UTC_PLAN = Plan(timezone="Europe/Berlin"), Plan(timezone="America/New_York"), Plan()
MAY = date(2026, 5, 1)  # a Friday
LATER = datetime(2026, 12, 31, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)


def at(text: str) -> datetime:
    """`10:00` is on the first of May; UTC where no offset is given."""
    moment = datetime.fromisoformat(text if "-" in text else f"{MAY}T{text}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def event(number: int, name: str, moment: str | datetime, user: str | None = "u", **more: Any) -> Event:
    occurred_at = at(moment) if isinstance(moment, str) else moment
    return Event(uuid.UUID(int=number), name, occurred_at, user, **more)


def line(*texts: str, user: str = "u") -> list[Event]:
    """One user's events from `name time`, with rising ids."""
    parts = [text.partition(" ") for text in texts]
    return [event(number, name, moment, user) for number, (name, _, moment) in enumerate(parts, start=1)]


def persons_of(*lines: list[Event], plan: Plan = UTC_PLAN, as_of: datetime = LATER) -> Persons:
    return identify([e for own in lines for e in own], plan, as_of)


# --- cases of other projects ---------------------------------------------------------------------------------------------


def case_events(case: Case) -> list[Event]:
    """An alias is an anonymous id that the user's first event links."""
    aliases: dict[str, str] = case.get("aliases", {})
    unlinked = {user: alias for alias, user in aliases.items()}
    found = []
    for number, (user, name, moment, *more) in enumerate(case["events"], start=1):
        details = dict(more[0]) if more else {}
        if "value" in details:
            details["value"] = Decimal(str(details["value"]))
        own = None if user in aliases else user
        anonymous_id = user if own is None else unlinked.pop(user, None)
        found.append(event(number, name, moment, own, anonymous_id=anonymous_id, **details))
    return found


def days(case: Case) -> tuple[date, date]:
    return date.fromisoformat(case["options"]["from"]), date.fromisoformat(case["options"]["to"])


def check_funnel(case: Case, persons: Persons, plan: Plan, as_of: datetime) -> None:
    options, expected = case["options"], case["expected"]
    excluded = tuple(Exclusion(named(x["event"]), x["from_step"], x["to_step"]) for x in options.get("exclude", []))
    steps = [named(name) for name in options["steps"]]
    funnel = Funnel(steps, options["order"], timedelta(seconds=options["window_seconds"]), excluded)
    result = funnels.funnel_range(persons, funnel, plan, *days(case), as_of)
    assert result.persons == expected["persons"]
    assert result.average_seconds == expected.get("average_seconds", result.average_seconds)
    assert result.median_seconds == expected.get("median_seconds", result.median_seconds)
    best = funnels.deepest(funnels.attempts(persons, funnel, plan), *days(case))
    for k, users in enumerate(expected.get("reached", []), start=1):
        assert sorted(p for p, attempt in best.items() if attempt.depth >= k) == [f"u:{user}" for user in users]


def check_retention(case: Case, persons: Persons, plan: Plan, as_of: datetime) -> None:
    options = case["options"]
    asked = Retention(named(options["start"]), named(options["returns"]), options["mode"], options["grain"], options["periods"])
    table = retention.retention_table(persons, asked, plan, *days(case), as_of)
    assert [cohort.cells for cohort in table] == case["expected"]["cells"]


def check_lifecycle(case: Case, persons: Persons, plan: Plan, as_of: datetime) -> None:
    rows = activity.lifecycle(persons, plan, *days(case), case["options"]["grain"], as_of)
    for state, counts in case["expected"].items():
        assert [getattr(row, state) for row in rows] == counts, state


def check_stickiness(case: Case, persons: Persons, plan: Plan, as_of: datetime) -> None:
    assert activity.stickiness(persons, plan, *days(case), case["options"]["grain"]) == case["expected"]["persons"]


def check_active_users(case: Case, persons: Persons, plan: Plan, as_of: datetime) -> None:
    counts = activity.active_users(persons, plan, *days(case), case["options"]["window_days"])
    assert counts == case["expected"]["persons"]


def check_paths(case: Case, persons: Persons, plan: Plan, as_of: datetime) -> None:
    sequences = paths.session_sequences(persons, plan, *days(case))
    links = paths.paths(sequences, steps=case["options"]["steps"])
    assert [[x.source, x.target, x.persons, x.mean_seconds] for x in links] == case["expected"]["links"]


def check_transitions(case: Case, persons: Persons, plan: Plan, as_of: datetime) -> None:
    links = paths.transitions(paths.person_sequences(persons, plan, *days(case)))
    assert [[x.source, x.target, x.transitions] for x in links] == case["expected"]["transitions"]


def check_sessions(case: Case, persons: Persons, plan: Plan, as_of: datetime) -> None:
    found, expected = sessions.sessions(persons, plan, *days(case)), dict(case["expected"])
    assert len(found) == expected.pop("sessions")
    assert {name: getattr(found[0], name) for name in expected} == expected


def check_rfm(case: Case, persons: Persons, plan: Plan, as_of: datetime) -> None:
    rows = people.rfm(persons, plan, named(case["options"]["event"]), date.fromisoformat(case["options"]["to"]))
    assert {person: vars(row) for person, row in rows.items()} == {
        f"u:{user}": {**row, "monetary": Decimal(str(row["monetary"]))} for user, row in case["expected"]["rows"].items()
    }


CHECKS: dict[str, Callable[[Case, Persons, Plan, datetime], None]] = {
    "funnel": check_funnel,
    "retention": check_retention,
    "lifecycle": check_lifecycle,
    "stickiness": check_stickiness,
    "active_users": check_active_users,
    "paths": check_paths,
    "transitions": check_transitions,
    "sessions": check_sessions,
    "rfm": check_rfm,
}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_oracle_gives_the_answer_of_another_project(case: Case) -> None:
    options = case["options"]
    timeout = timedelta(seconds=options.get("timeout_seconds", 1800))
    plan = Plan(session_timeout=timeout, page=named(options["page"]) if "page" in options else nothing)
    as_of = at(options["as_of"])
    CHECKS[case["analysis"]](case, identify(case_events(case), plan, as_of), plan, as_of)


def test_all_fifteen_cases_are_there() -> None:
    assert len({case["id"] for case in CASES}) == 15


# --- time ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "day", "begins", "ends"),
    [
        (BERLIN, date(2026, 3, 29), "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        (BERLIN, date(2026, 10, 25), "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        (NEW_YORK, date(2026, 3, 8), "2026-03-08T05:00", "2026-03-09T04:00"),  # 23 hours
        (NEW_YORK, date(2026, 11, 1), "2026-11-01T04:00", "2026-11-02T05:00"),  # 25 hours
        (BERLIN, MAY, "2026-04-30T22:00", "2026-05-01T22:00"),
    ],
)
def test_a_local_day_is_as_long_as_the_clock_says(plan: Plan, day: date, begins: str, ends: str) -> None:
    assert (events.midnight(day, plan), events.period_end(day, "day", plan)) == (at(begins), at(ends))
    moments = [at(begins) - TICK, at(begins), at(ends) - TICK, at(ends)]
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    assert [events.local_day(moment, plan) for moment in moments] == [before, day, day, after]


@pytest.mark.parametrize(
    ("week_start", "day", "start"),
    [
        ("monday", date(2026, 5, 3), date(2026, 4, 27)),
        ("monday", date(2026, 5, 4), date(2026, 5, 4)),
        ("sunday", date(2026, 5, 2), date(2026, 4, 26)),
        ("sunday", date(2026, 5, 3), date(2026, 5, 3)),
        ("sunday", date(2026, 5, 4), date(2026, 5, 3)),
    ],
)
def test_a_week_begins_on_the_plans_day(week_start: Any, day: date, start: date) -> None:
    assert events.period_start(day, "week", Plan(week_start=week_start)) == start


def test_periods_overlap_the_range_and_may_begin_before_it() -> None:
    months = events.periods(date(2025, 12, 31), date(2026, 2, 1), "month", UTC_PLAN)
    assert months == [date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]
    assert events.later_period(date(2026, 1, 1), "month", 13) == date(2027, 2, 1)
    assert events.periods(MAY, MAY - timedelta(days=1), "day", UTC_PLAN) == []


def test_a_month_with_a_clock_change_ends_at_local_midnight() -> None:
    assert events.period_end(date(2026, 3, 1), "month", BERLIN) == at("2026-03-31T22:00")


# --- persons -------------------------------------------------------------------------------------------------------------


def names(persons: Persons) -> dict[str, str]:
    return {person: "".join(e.event_name for e in own) for person, own in persons.items()}


def linked() -> list[Event]:
    """Anonymous `a` is linked to x at 10:00 and to y at 11:00; written in the wrong order."""
    return [
        event(4, "4", "12:00", None, anonymous_id="a"),
        event(3, "3", "11:00", "y", anonymous_id="a"),
        event(2, "2", "10:00", "x", anonymous_id="a"),
        event(1, "1", "09:00", None, anonymous_id="a"),
        event(5, "5", "13:00", None),
    ]


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("last_known", {"u:y": "134", "u:x": "2"}),
        ("first_known", {"u:x": "124", "u:y": "3"}),
        ("none", {"a:a": "14", "u:x": "2", "u:y": "3"}),
    ],
)
def test_anonymous_events_follow_the_plans_link_and_own_users_stay(identity: Any, expected: dict[str, str]) -> None:
    assert names(identify(linked(), Plan(identity=identity), LATER)) == expected


def test_links_of_one_instant_are_ordered_by_event_id() -> None:
    tied = [
        event(9, "9", "10:00", "x", anonymous_id="a"),
        event(8, "8", "10:00", "y", anonymous_id="a"),
        event(1, "1", "09:00", None, anonymous_id="a"),
    ]
    assert names(identify(tied, UTC_PLAN, LATER)) == {"u:x": "19", "u:y": "8"}
    assert names(identify(tied, Plan(identity="first_known"), LATER)) == {"u:y": "18", "u:x": "9"}


def test_an_event_and_its_link_exist_from_their_instant_on() -> None:
    assert names(identify(linked(), UTC_PLAN, at("10:00") - TICK)) == {"a:a": "1"}
    assert names(identify(linked(), UTC_PLAN, at("10:00"))) == {"u:x": "12"}


def test_the_text_na_is_an_id() -> None:
    assert names(identify([event(1, "1", "10:00", "NA")], UTC_PLAN, LATER)) == {"u:NA": "1"}


# --- funnels -------------------------------------------------------------------------------------------------------------

A, B, C, X = named("a"), named("b"), named("c"), named("x")
PING = Plan(activity=lambda e: e.event_name != "ping")


def run(funnel: Funnel, *lines: list[Event], plan: Plan = UTC_PLAN) -> FunnelResult:
    return funnels.funnel_range(persons_of(*lines), funnel, plan, MAY, MAY, LATER)


@pytest.mark.parametrize("order", ["ordered", "strict", "unordered"])
def test_the_window_is_from_the_first_step_and_its_end_counts(order: Any) -> None:
    funnel = Funnel([A, B, C], order, HOUR)
    assert run(funnel, line("a 10:00", "b 10:40", "c 11:00")).persons == [1, 1, 1]
    assert run(funnel, line("a 10:00", "b 10:40", "c 11:00:00.000001")).persons == [1, 1, 0]
    assert run(Funnel([A, B, C], order, None), line("a 10:00", "b 20:00", "c 2026-11-01")).persons == [1, 1, 1]


def test_a_window_is_elapsed_time_also_over_a_clock_change() -> None:
    funnel, day = Funnel([A, B], window=timedelta(days=1)), date(2026, 3, 28)
    for end, reached in [("2026-03-29T13:00+02:00", 1), ("2026-03-29T13:00:01+02:00", 0)]:
        own = [event(1, "a", "2026-03-28T12:00+01:00"), event(2, "b", at(end).astimezone(UTC))]
        assert funnels.funnel_range(persons_of(own), funnel, BERLIN, day, day, LATER).persons == [1, reached]


def test_the_deepest_attempt_counts_with_its_own_times() -> None:
    result = run(Funnel([A, B], window=HOUR), line("a 10:00", "a 11:00", "b 11:30"))
    assert (result.persons, result.average_seconds) == ([1, 1], [None, 1800])


def test_among_equally_deep_attempts_the_earliest_counts() -> None:
    result = run(Funnel([A, B], window=HOUR), line("a 10:00", "a 10:20", "b 10:30", "b 10:40"))
    assert result.average_seconds == [None, 1800]


def test_steps_of_one_instant_are_in_the_order_of_the_steps() -> None:
    for funnel in (Funnel([A, B, C]), Funnel([A, B, C], "strict"), Funnel([A, B, C], "unordered")):
        result = run(funnel, line("c 10:00", "b 10:00", "a 10:00"))
        assert (result.persons, result.median_seconds) == ([1, 1, 1], [None, 0, 0])


@pytest.mark.parametrize("order", ["ordered", "strict", "unordered"])
def test_an_event_serves_one_step_only(order: Any) -> None:
    assert run(Funnel([A, A], order), line("a 10:00")).persons == [1, 0]
    assert run(Funnel([A, A], order), line("a 10:00", "a 10:01")).persons == [1, 1]
    assert run(Funnel([A, everything], order), line("a 10:00")).persons == [1, 0]


def test_among_events_of_one_instant_the_choice_that_reaches_deepest_counts() -> None:
    steps = [A, named("b", "x"), named("x")]
    result = run(Funnel(steps), line("a 10:00", "x 10:05", "b 10:05"))
    assert (result.persons, result.average_seconds) == ([1, 1, 1], [None, 300, 0])


def test_among_equally_deep_choices_the_earliest_times_count() -> None:
    steps = [A, named("b", "x"), named("x")]
    result = run(Funnel(steps), line("a 10:00", "x 10:05", "b 10:05", "x 10:09"))
    assert result.average_seconds == [None, 300, 0]


def test_any_other_activity_breaks_a_strict_attempt_and_so_does_a_repeat() -> None:
    strict = Funnel([A, B, C], "strict")
    assert run(strict, line("a 10:00", "x 10:01", "b 10:02"), plan=PING).persons == [1, 0, 0]
    assert run(strict, line("a 10:00", "ping 10:01", "b 10:02", "c 10:03"), plan=PING).persons == [1, 1, 1]
    assert run(strict, line("a 10:00", "b 10:01", "b 10:02", "c 10:03"), plan=PING).persons == [1, 1, 0]
    repeat = run(strict, line("a 10:00", "a 10:01", "b 10:03"), plan=PING)
    assert (repeat.persons, repeat.average_seconds[1]) == ([1, 1, 0], 120)


def test_in_one_instant_a_strict_line_has_the_steps_first_and_other_events_last() -> None:
    strict = Funnel([A, B, C], "strict")
    assert run(strict, line("x 10:00", "b 10:00", "a 10:00", "c 10:01")).persons == [1, 1, 0]
    assert run(strict, line("x 10:00", "b 10:00", "a 10:00", "c 10:00")).persons == [1, 1, 1]
    twice = Funnel([named("a", "x"), B, X], "strict")  # x stands where its lowest step is
    assert run(twice, line("b 10:00", "x 10:00")).persons == [1, 1, 0]


def test_unordered_counts_the_steps_done_around_any_of_them() -> None:
    result = run(Funnel([A, B, C], "unordered", HOUR), line("c 10:00", "a 10:50", "b 11:10"))
    assert (result.persons, result.average_seconds) == ([1, 1, 0], [None, 3000, None])  # c and a; a and b are later
    assert run(Funnel([A, B, C], "unordered", HOUR), line("c 10:00", "a 10:50", "b 11:00")).persons == [1, 1, 1]


def test_an_unordered_event_gives_its_step_away_when_it_can_do_another() -> None:
    result = run(Funnel([named("a", "b"), A], "unordered"), line("a 10:00", "b 10:10"))
    assert (result.persons, result.average_seconds) == ([1, 1], [None, 600])


@pytest.mark.parametrize(
    ("moment", "persons"),
    [("10:00", [1, 1]), ("10:00:00.000001", [0, 0]), ("10:29:59.999999", [0, 0]), ("10:30", [1, 1]), ("09:59", [1, 1])],
)
def test_an_excluded_event_strictly_between_the_steps_voids(moment: str, persons: list[int]) -> None:
    funnel = Funnel([A, B], "ordered", HOUR, (Exclusion(X, 1, 2),))
    assert run(funnel, line("a 10:00", "b 10:30", f"x {moment}")).persons == persons


def test_without_the_second_step_an_excluded_event_voids_up_to_the_windows_end() -> None:
    funnel = Funnel([A, B], "ordered", HOUR, (Exclusion(X, 1, 2),))
    assert run(funnel, line("a 10:00", "x 11:00")).persons == [0, 0]
    assert run(funnel, line("a 10:00", "x 11:00:00.000001")).persons == [1, 0]
    endless = Funnel([A, B], "ordered", None, (Exclusion(X, 1, 2),))
    assert run(endless, line("a 10:00", "x 2026-12-30")).persons == [0, 0]
    assert run(endless, line("a 10:00", "x 2026-12-31T00:00:01")).persons == [1, 0]  # after as_of


def test_a_clean_attempt_counts_beside_a_void_one_and_an_unreached_exclusion_does_not_apply() -> None:
    funnel = Funnel([A, B], "ordered", HOUR, (Exclusion(X, 1, 2),))
    result = run(funnel, line("a 10:00", "x 10:10", "a 10:20", "b 10:30"))
    assert (result.persons, result.average_seconds) == ([1, 1], [None, 600])
    assert run(Funnel([A, B, C], exclude=(Exclusion(X, 2, 3),)), line("a 10:00", "x 10:10")).persons == [1, 0, 0]
    assert run(Funnel([A, B, C], exclude=(Exclusion(X, 2, 3),)), line("a 10:00", "b 10:10", "x 10:11")).persons == [0] * 3


def test_unordered_exclusions_are_between_the_steps_as_they_were_done() -> None:
    funnel = Funnel([A, B], "unordered", HOUR, (Exclusion(X, 1, 2),))
    # anchored at b, x is between; anchored at a, only a is left
    assert run(funnel, line("b 10:00", "x 10:10", "a 10:20")).persons == [1, 0]
    assert run(funnel, line("b 10:00", "a 10:20", "x 10:20")).persons == [1, 1]


def test_the_range_binds_the_first_step_only_and_days_do_not_add_up() -> None:
    own = line("a 10:00", "a 2026-05-02T10:00", "b 2026-05-02T11:00")
    funnel, second = Funnel([A, B], window=2 * HOUR), date(2026, 5, 2)
    by_day = funnels.funnel_days(persons_of(own), funnel, UTC_PLAN, MAY, second, LATER)
    assert {day: result.persons for day, result in by_day.items()} == {MAY: [1, 0], second: [1, 1]}
    assert funnels.funnel_range(persons_of(own), funnel, UTC_PLAN, MAY, second, LATER).persons == [1, 1]
    late = line("a 23:30", "b 2026-05-02T01:00")
    assert run(funnel, late).persons == [1, 1]
    assert funnels.funnel_range(persons_of(late), funnel, UTC_PLAN, second, second, LATER).persons == [0, 0]


def test_an_entry_day_is_local_and_partial_while_its_window_is_open() -> None:
    own, funnel, second = line("a 22:30"), Funnel([A, B], window=HOUR), date(2026, 5, 2)
    for as_of, partial in [(at("2026-05-02T23:00") - TICK, True), (at("2026-05-02T23:00"), False)]:
        by_day = funnels.funnel_days(persons_of(own), funnel, BERLIN, MAY, second, as_of)
        assert [(r.persons[0], r.is_partial) for r in by_day.values()] == [(0, False), (1, partial)]
    assert run(Funnel([A, B], window=None)).is_partial


def test_conversions_are_from_the_first_and_from_the_previous_step() -> None:
    lines = [line(*texts, user=str(i)) for i, texts in enumerate([("a 10:00",)] * 2 + [("a 10:00", "b 10:01")] * 2)]
    lines[3] += line("c 10:04", user="3")
    result = run(Funnel([A, B, C]), *lines)
    assert result.persons == [4, 2, 1]
    assert (result.conversion, result.step_conversion) == ([1, 0.5, 0.25], [None, 0.5, 0.5])


def test_a_median_of_two_is_their_middle() -> None:
    lines = [line("a 10:00", f"b 10:0{minutes}", user=str(minutes)) for minutes in (1, 4)]
    assert run(Funnel([A, B]), *lines).median_seconds == [None, 150]


def test_a_funnel_of_nobody_has_no_ratios() -> None:
    assert run(Funnel([A, B])) == FunnelResult([0, 0], [None, None], [None, None], [None, None], [None, None])


@pytest.mark.parametrize(("value_of", "value"), [("first", "DE"), ("last", "AT"), (1, ""), (2, "DE"), (3, "AT"), (4, "")])
def test_a_breakdown_takes_a_known_value_of_the_steps(value_of: Any, value: str) -> None:
    own = [
        event(i, name, f"10:0{i}", country=c) for i, (name, c) in enumerate(zip("abxc", [None, "DE", "FR", "AT"], strict=True))
    ]
    funnel = Funnel([A, B, C, named("d")])
    groups = funnels.funnel_values(persons_of(own), funnel, UTC_PLAN, MAY, MAY, LATER, lambda e: e.country, value_of)
    assert {value: result.persons for value, result in groups.items()} == {value: [1, 1, 1, 0]}


def random_line(seed: int) -> tuple[list[Event], list[events.Selector]]:
    """Few names and few instants, so that ties and several matches happen."""
    rng = random.Random(seed)
    own = [event(i, rng.choice("abcx"), at("10:00") + rng.randrange(4) * HOUR) for i in range(7)]
    steps = [named(*rng.sample("abc", rng.choice([1, 1, 2]))) for _ in range(rng.choice([2, 3, 4]))]
    return sorted(own, key=events.canonical), steps


@pytest.mark.parametrize("seed", range(150))
def test_an_ordered_attempt_is_the_best_of_all_assignments(seed: int) -> None:
    own, steps = random_line(seed)
    for start in filter(steps[0], own):
        ranks = []
        for size in range(len(steps)):
            for chosen in itertools.permutations([e for e in own if e != start], size):
                served = (start, *chosen)
                times = [e.occurred_at for e in served]
                if times == sorted(times) and times[-1] - times[0] <= 2 * HOUR and all(map(matches, steps, served)):
                    ranks.append((-len(served), times))
        served = funnels.served_ordered(own, start, Funnel(steps, window=2 * HOUR))
        assert (-len(served), [e.occurred_at for e in served]) == min(ranks)


@pytest.mark.parametrize("seed", range(150))
def test_an_unordered_attempt_grows_with_the_largest_matching(seed: int) -> None:
    own, steps = random_line(seed)
    start = own[seed % len(own)]
    expected: list[datetime] = []
    for moment in sorted({e.occurred_at for e in own if timedelta(0) <= e.occurred_at - start.occurred_at <= 2 * HOUR}):
        pool = [e for e in own if start.occurred_at <= e.occurred_at <= moment]
        expected += [moment] * (largest_matching(pool, steps) - len(expected))
    served = funnels.served_unordered(own, start, Funnel(steps, "unordered", 2 * HOUR))
    assert [e.occurred_at for e in served] == expected


def matches(step: events.Selector, served: Event) -> bool:
    return step(served)


def largest_matching(pool: list[Event], steps: list[events.Selector]) -> int:
    """By trying everything: each step takes any unused event, or none."""
    if not steps:
        return 0
    taken = [1 + largest_matching([x for x in pool if x != e], steps[1:]) for e in pool if steps[0](e)]
    return max([largest_matching(pool, steps[1:]), *taken])


# --- retention -----------------------------------------------------------------------------------------------------------


def cells(own: list[Event], asked: Retention, first: date, last: date, as_of: str = "2026-12-31", plan: Plan = UTC_PLAN) -> Any:
    return [c.cells for c in retention.retention_table(persons_of(own, plan=plan), asked, plan, first, last, at(as_of))]


def test_first_time_looks_before_the_range_and_recurring_does_not() -> None:
    own, second = line("a 10:00", "a 2026-05-02T10:00", "b 2026-05-03T10:00"), date(2026, 5, 2)
    assert cells(own, Retention(A, B, "recurring", "day", 2), second, second) == [[1, 1, 0]]
    assert cells(own, Retention(A, B, "first_time", "day", 2), second, second) == [[0, 0, 0]]
    assert cells(own, Retention(A, B, "first_time", "day", 2), MAY, second) == [[1, 0, 1], [0, 0, 0]]


def test_a_cell_is_null_until_its_period_has_ended_and_empty_cohorts_are_there() -> None:
    asked, third = Retention(A, B, "recurring", "day", 2), date(2026, 5, 3)
    own = line("a 10:00", "b 2026-05-02T10:00")
    assert cells(own, asked, MAY, third, "2026-05-03T00:00") == [[1, 1, None], [0, None, None], [0, None, None]]
    assert cells(own, asked, MAY, MAY, "2026-05-02T23:59:59.999999") == [[1, None, None]]


def test_a_cohort_counts_its_whole_calendar_period() -> None:
    own = line("a 2026-04-27T10:00", "b 2026-05-03T10:00")  # Monday and Sunday
    week = Retention(A, B, "recurring", "week", 1)
    assert cells(own, week, MAY, MAY) == [[1, 0]]
    assert cells(own, week, MAY, MAY, plan=Plan(week_start="sunday")) == [[1, 1]]


def test_rolling_windows_are_24_hours_from_the_persons_own_start() -> None:
    day = Retention(A, B, "recurring", "day", 2, rolling=True)
    assert cells(line("a 10:00", "a 11:00", "b 2026-05-02T09:59:59.999999"), day, MAY, MAY) == [[1, 0, 0]]
    assert cells(line("a 10:00", "a 11:00", "b 2026-05-02T10:00"), day, MAY, MAY) == [[1, 1, 0]]
    assert cells(line("a 10:00", "b 2026-05-03T10:00"), day, MAY, MAY) == [[1, 0, 1]]
    assert cells(line("a 10:00"), day, MAY, MAY, "2026-05-04T00:00") == [[1, 0, None]]  # the 2nd at 0:00 + 48 h
    assert cells(line("a 10:00"), day, MAY, MAY, "2026-05-03T23:59") == [[1, None, None]]


def test_calendar_days_and_24_hours_part_at_a_clock_change() -> None:
    own = line("a 2026-03-28T22:30", "b 2026-03-29T22:30")  # 23:30 on the 28th, 00:30 on the 30th in Berlin
    day = date(2026, 3, 28)
    assert cells(own, Retention(A, B, "recurring", "day", 2), day, day, plan=BERLIN) == [[1, 0, 1]]
    assert cells(own, Retention(A, B, "recurring", "day", 2, rolling=True), day, day, plan=BERLIN) == [[1, 1, 0]]


def test_rolling_cells_of_a_25_hour_day_end_later() -> None:
    day, asked = date(2026, 10, 25), Retention(A, B, "recurring", "day", 1, rolling=True)
    own = line("a 2026-10-25T22:30")
    assert cells(own, asked, day, day, "2026-10-27T22:59", BERLIN) == [[1, None]]
    assert cells(own, asked, day, day, "2026-10-27T23:00", BERLIN) == [[1, 0]]


def test_unbounded_retention_is_on_or_after() -> None:
    own = line("a 10:00", "b 10:00", "b 2026-05-04T10:00")
    for rolling in (False, True):
        asked = Retention(A, B, "recurring", "day", 4, rolling)
        (cohort,) = retention.retention_table(persons_of(own), asked, UTC_PLAN, MAY, MAY, at("2026-05-05T10:00"))
        assert cohort.on_or_after == ([1, 1, 1, None, None] if rolling else [1, 1, 1, 1, None])


def test_d1_d7_and_d30_are_cells_of_the_calendar_table() -> None:
    own = line("a 10:00", "b 2026-05-02T00:00", "b 2026-05-31T23:59")
    found = retention.day_retention(persons_of(own), Retention(A, B, grain="month"), UTC_PLAN, MAY, MAY, LATER)
    assert found == {MAY: {1: 1, 7: 0, 30: 1}}


def test_retention_groups_persons_by_the_first_value_that_they_ever_showed() -> None:
    shown = [event(1, "z", "2026-01-01"), event(2, "z", "2026-01-02", country="DE"), event(3, "a", "10:00", country="AT")]
    never, elsewhere = [event(4, "a", "10:00", "v")], [event(5, "z", "10:00", "w", country="FR")]
    asked = Retention(A, everything, periods=1)
    persons = persons_of(shown, never, elsewhere)
    tables = retention.retention_values(persons, asked, UTC_PLAN, MAY, date(2026, 5, 2), LATER, lambda e: e.country)
    expected = [[1, 0], [0, 0]]
    assert {value: [c.cells for c in table] for value, table in tables.items()} == {"DE": expected, "(none)": expected}


# --- active users, stickiness, lifecycle ---------------------------------------------------------------------------------


def test_a_session_that_crosses_midnight_is_active_on_both_local_days() -> None:
    own = line("a 21:50", "a 22:10")
    persons, first = persons_of(own), date(2026, 4, 30)
    assert activity.active_users(persons, BERLIN, first, date(2026, 5, 3)) == [0, 1, 1, 0]
    assert activity.active_users(persons, UTC_PLAN, first, date(2026, 5, 3)) == [0, 1, 0, 0]


def test_a_window_holds_its_day_and_those_before_and_no_ping() -> None:
    persons = persons_of(line("a 10:00"), line("ping 10:00", user="v"))
    counts = activity.active_users(persons, PING, MAY, date(2026, 5, 31), 30)
    assert counts == [1] * 30 + [0]
    assert activity.active_users(persons, PING, MAY, MAY, selector=named("ping")) == [1]
    assert activity.stickiness_ratio(persons, PING, MAY) == 1
    assert activity.stickiness_ratio(persons, PING, date(2026, 5, 30)) == 0
    assert activity.stickiness_ratio(persons, PING, date(2026, 5, 31)) is None


def test_a_bucket_counts_its_whole_period_and_is_partial_until_it_ends() -> None:
    persons = persons_of(line("a 2026-04-26T10:00", "a 10:00"), line("a 2026-05-03T10:00", user="v"))
    for plan, expected in [(UTC_PLAN, [(27, 2, False)]), (Plan(week_start="sunday"), [(26, 1, False)])]:
        buckets = activity.active_buckets(persons, plan, MAY, MAY, "week", at("2026-05-04T00:00"))
        assert [(b.start.day, b.persons, b.is_partial) for b in buckets] == expected
    assert activity.active_buckets(persons, UTC_PLAN, MAY, MAY, "week", at("2026-05-03T23:59"))[0].is_partial


def test_a_person_counts_once_under_each_value_that_they_showed() -> None:
    own = [event(i, "a", f"10:0{i}", country=country) for i, country in enumerate(["DE", "DE", "AT", None])]
    expected = {"DE": 1, "AT": 1, "(none)": 1}
    daily = activity.active_users_values(persons_of(own), UTC_PLAN, MAY, MAY, lambda e: e.country, 7)
    assert daily == {(MAY, value): count for value, count in expected.items()}
    monthly = activity.active_buckets_values(persons_of(own), UTC_PLAN, MAY, MAY, "month", lambda e: e.country)
    assert monthly == daily


def test_values_are_those_of_selected_events_in_the_window() -> None:
    own = [event(1, "a", "10:00", country="DE"), event(2, "b", "10:00", country="AT")]
    shown = activity.active_users_values(persons_of(own), UTC_PLAN, MAY, date(2026, 5, 3), lambda e: e.country, 2, A)
    assert shown == {(MAY, "DE"): 1, (date(2026, 5, 2), "DE"): 1}


def test_stickiness_counts_periods_with_enough_events() -> None:
    own = line("a 10:00", "a 11:00", "a 2026-05-02T10:00", "a 2026-05-05T10:00")  # on days 1, 1, 2 and 5 of five
    persons, last = persons_of(own), date(2026, 5, 5)

    def histogram(**options: Any) -> list[int]:
        return activity.stickiness(persons, UTC_PLAN, MAY, last, **options)

    assert histogram() == [0, 0, 1, 0, 0]
    assert histogram(cumulative=True) == [1, 1, 1, 0, 0]
    assert histogram(every=2) == [0, 1, 0]  # days 1-2, 3-4, 5
    assert histogram(count=activity.EventCount(at_least=2)) == [1, 0, 0, 0, 0]
    assert histogram(count=activity.EventCount(at_most=1)) == [0, 1, 0, 0, 0]
    assert histogram(count=activity.EventCount(exactly=3), every=2) == [1, 0, 0]
    assert histogram(count=activity.EventCount(exactly=2)) == [1, 0, 0, 0, 0]
    assert histogram(selector=named("b")) == [0] * 5
    assert histogram(grain="week") == [0, 1]  # the week of 27 April up to Sunday, and the next up to Tuesday


def test_stickiness_does_not_look_outside_the_range() -> None:
    persons = persons_of(line("a 2026-04-27T10:00", "a 2026-05-05T10:00"))
    assert activity.stickiness(persons, UTC_PLAN, MAY, date(2026, 5, 4), "week") == [0, 0]


@pytest.mark.parametrize("grain", ["week", "month"])
def test_lifecycle_states_use_all_history_and_dormant_waits_for_the_end(grain: Grain) -> None:
    start = [date(2026, 1, 5), date(2026, 1, 12), date(2026, 1, 19), date(2026, 1, 26), date(2026, 2, 2)]
    if grain == "month":
        start = [date(2026, month, 1) for month in range(1, 6)]
    own = line(*(f"a {start[i]}T12:00" for i in (0, 1, 3)))
    other = line(f"ping {start[0]}T12:00", f"a {start[1]}T12:00", user="v")

    def rows(as_of: datetime) -> list[tuple[int, int, int, int]]:
        found = activity.lifecycle(persons_of(own, other), PING, start[1], start[4], grain, as_of)
        return [(row.new, row.returning, row.resurrecting, row.dormant) for row in found]

    end = events.period_end(start[4], grain, PING)
    assert rows(end) == [(1, 1, 0, 0), (0, 0, 0, 2), (0, 0, 1, 0), (0, 0, 0, 1)]
    assert rows(end - TICK)[-1] == (0, 0, 0, 0)


# --- sessions ------------------------------------------------------------------------------------------------------------

SHOP = Plan(activity=lambda e: e.event_name != "ping", page=named("view"), conversion=named("buy"))


def cut(own: list[Event], plan: Plan = SHOP) -> list[str]:
    return ["".join(str(e.event_id.int) for e in s.members) for s in sessions.all_sessions(persons_of(own, plan=plan), plan)]


def test_a_gap_of_exactly_30_minutes_stays() -> None:
    assert cut(line("view 10:00", "view 10:30", "view 11:00")) == ["123"]
    assert cut(line("view 10:00", "view 10:30:00.000001")) == ["1", "2"]


def test_events_without_activity_do_not_bridge_a_gap() -> None:
    assert cut(line("view 10:00", "ping 10:20", "view 10:45")) == ["1", "3"]


def test_a_session_is_cut_beyond_24_hours_and_the_next_counts_from_its_own_start() -> None:
    own = [event(i, "view", at("10:00") + i * HOUR / 2) for i in range(99)]  # 49 hours without a gap
    found = sessions.all_sessions(persons_of(own), UTC_PLAN)
    assert [(s.members[0].event_id.int, s.events) for s in found] == [(0, 49), (49, 49), (98, 1)]
    assert [s.duration_seconds for s in found] == [86400, 86400, 0]


def test_a_tracker_id_holds_its_events_together_until_24_hours() -> None:
    own = [
        event(1, "view", "10:00", session_id="s"),
        event(2, "view", "12:00", session_id="t"),
        event(3, "view", "20:00", session_id="s"),
        event(4, "view", "2026-05-02T10:00", session_id="s"),
        event(5, "view", "2026-05-02T10:00:01", session_id="s"),
        event(6, "view", "2026-05-02T12:00", session_id="s"),
    ]
    assert cut(own) == ["134", "2", "56"]


def test_an_event_without_a_tracker_id_joins_the_session_of_the_event_before() -> None:
    own = [
        event(1, "view", "10:00"),
        event(2, "view", "10:10", session_id="s"),
        event(3, "view", "10:40"),
        event(4, "view", "11:11"),
        event(5, "view", "11:20", session_id="s"),
        event(6, "view", "11:30"),
    ]
    assert cut(own) == ["1", "2356", "4"]


def test_one_tracker_id_of_two_persons_is_two_sessions() -> None:
    own = [event(1, "view", "10:00", "u", session_id="s"), event(2, "view", "10:01", "v", session_id="s")]
    assert cut(own) == ["1", "2"]


def test_late_arrival_and_a_later_link_change_sessions() -> None:
    own = [event(1, "view", "10:40"), event(2, "view", "10:00"), event(3, "view", "10:20", None, anonymous_id="a")]
    assert cut(own) == ["2", "3", "1"]
    assert cut([*own, event(4, "view", "15:00", anonymous_id="a")]) == ["231", "4"]


def test_a_session_belongs_to_the_local_day_of_its_start() -> None:
    own = line("view 21:50", "view 22:10")  # 23:50 and 00:10 in Berlin
    persons, second = persons_of(own), date(2026, 5, 2)
    assert [s.events for s in sessions.sessions(persons, BERLIN, MAY, MAY)] == [2]
    assert sessions.sessions(persons, BERLIN, second, second) == []


def test_a_session_runs_on_through_the_hour_that_the_clock_repeats() -> None:
    own = line("view 2026-10-25T00:50", "view 2026-10-25T01:10")  # 02:50 and 02:10 in Berlin
    (only,) = sessions.all_sessions(persons_of(own), BERLIN)
    assert only.duration_seconds == 1200


def test_a_bounce_is_one_view_without_a_conversion() -> None:
    bought = [event(11, "view", "10:00", "v"), event(12, "buy", "10:01", "v", value=Decimal("2.5"), currency="EUR")]
    idle, two = line("search 10:00", user="w"), line("view 10:00", "view 10:00", user="x")
    found = sessions.sessions(persons_of(line("view 10:00"), bought, idle, two), SHOP, MAY, MAY)
    shown = {s.person: (s.page_views, s.is_bounce, s.converted, s.value) for s in found}
    assert shown["u:u"] == (1, True, False, Decimal(0))
    assert shown["u:v"] == (1, False, True, Decimal("2.5"))
    assert shown["u:w"] == (0, False, False, Decimal(0))
    assert shown["u:x"] == (2, False, False, Decimal(0))
    assert sessions.bounce_rate(found) == pytest.approx(1 / 3)
    assert sessions.bounce_rate([]) is None


# --- paths ---------------------------------------------------------------------------------------------------------------


def links(found: list[paths.Link]) -> dict[str, tuple[int, int, float | None]]:
    return {f"{x.source}>{x.target}": (x.transitions, x.persons, x.mean_seconds) for x in found}


def test_transitions_have_a_start_and_an_end_and_cut_at_sessions() -> None:
    persons = persons_of(line("a 10:00", "b 10:01", "a 10:03", "b 12:00"), line("a 10:00", "b 10:05", user="v"))
    by_person = links(paths.transitions(paths.person_sequences(persons, UTC_PLAN, MAY, MAY)))
    assert by_person == {
        "path_start>a": (2, 2, None),
        "a>b": (3, 2, pytest.approx((60 + 117 * 60 + 300) / 3)),
        "b>a": (1, 1, 120),
        "b>path_end": (2, 2, None),
    }
    by_session = links(paths.transitions(paths.session_sequences(persons, UTC_PLAN, MAY, MAY)))
    assert by_session == {
        "path_start>a": (2, 2, None),
        "path_start>b": (1, 1, None),
        "a>b": (2, 2, 180),
        "b>a": (1, 1, 120),
        "a>path_end": (1, 1, None),
        "b>path_end": (2, 2, None),
    }


def test_a_session_brings_all_its_events_and_a_person_those_of_the_range() -> None:
    persons = persons_of(line("a 23:50", "b 2026-05-02T00:10"))
    assert "a>b" in links(paths.transitions(paths.session_sequences(persons, UTC_PLAN, MAY, MAY)))
    assert "a>path_end" in links(paths.transitions(paths.person_sequences(persons, UTC_PLAN, MAY, MAY)))


def test_a_selector_leaves_events_out_of_a_sequence_and_a_null_node_has_a_name() -> None:
    persons = persons_of(line("a 10:00", "x 10:10", "b 10:20"))
    chosen = paths.session_sequences(persons, UTC_PLAN, MAY, MAY, named("a", "b"))
    assert links(paths.transitions(chosen))["a>b"] == (1, 1, 1200)
    assert links(paths.transitions(chosen, lambda e: e.country))["(none)>(none)"] == (1, 1, 1200)
    assert paths.session_sequences(persons, UTC_PLAN, MAY, MAY, named("z")) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"steps": 3}, ["1_a>2_b", "2_b>3_b"]),
        ({"steps": 3, "collapse_repeats": True}, ["1_a>2_b", "2_b>3_c"]),
        ({"steps": 3, "from_event": "b"}, ["1_b>2_b", "2_b>3_c"]),
        ({"steps": 3, "to_event": "c"}, ["1_b>2_b", "2_b>3_c"]),
        ({"steps": 3, "to_event": "b"}, ["1_a>2_b"]),
        ({"steps": 3, "to_event": "c", "collapse_repeats": True}, ["1_a>2_b", "2_b>3_c"]),
        ({"to_event": "z"}, []),
        ({"from_event": "z"}, []),
        ({}, ["1_a>2_b", "2_b>3_b", "3_b>4_c", "4_c>5_b"]),
    ],
)
def test_paths_show_the_nodes_at_their_positions(options: dict[str, Any], expected: list[str]) -> None:
    own = line("a 10:00", "b 10:01", "b 10:03", "c 10:06", "b 10:10", "d 10:15")
    found = paths.paths(paths.session_sequences(persons_of(own), UTC_PLAN, MAY, MAY), **options)
    assert list(links(found)) == expected


def test_collapsed_repeats_are_timed_from_the_first() -> None:
    own = line("b 10:01", "b 10:03", "c 10:06")
    found = paths.paths(paths.session_sequences(persons_of(own), UTC_PLAN, MAY, MAY), collapse_repeats=True)
    assert links(found) == {"1_b>2_c": (1, 1, 300)}


def test_variants_are_whole_sequences_of_entities_with_or_without_a_person() -> None:
    texts = [("o1", "new", 0), ("o1", "paid", 60), ("o2", "new", 0), ("o2", "paid", 120), ("o3", "new", 0), (None, "new", 0)]
    own = [
        event(i, name, at("10:00") + timedelta(seconds=s), None, entity_type="order", entity_id=order)
        for i, (order, name, s) in enumerate(texts)
    ]
    own.append(event(9, "new", "10:00", entity_type="cart", entity_id="o1"))  # another type, another entity
    found = paths.variants(paths.entity_sequences(own, UTC_PLAN, MAY, MAY, LATER))
    assert found == [paths.Variant(["new"], 2, 0.5, 0), paths.Variant(["new", "paid"], 2, 0.5, 90)]


# --- persons' numbers ----------------------------------------------------------------------------------------------------


def test_rfm_counts_local_days_and_values_of_repeat_days() -> None:
    moments = ["2026-05-01T10:00", "2026-05-01T21:00", "2026-05-01T22:00", "2026-05-02T10:00", "2026-05-04T10:00"]
    own = [
        event(i, "buy", moment, value=Decimal(value)) for i, (moment, value) in enumerate(zip(moments, "12345", strict=True))
    ]
    own.append(event(9, "buy", "2026-05-04T11:00"))  # without a value
    buys = named("buy")
    # in Berlin: days 1 (1 + 2), 2 (3 + 4) and 4 (5)
    assert people.rfm(persons_of(own), BERLIN, buys, date(2026, 5, 10)) == {"u:u": people.Rfm(2, 3, 9, Decimal(6))}
    assert people.rfm(persons_of(own), BERLIN, buys, MAY) == {"u:u": people.Rfm(0, 0, 0, Decimal(0))}
    assert people.rfm(persons_of(own), BERLIN, buys, date(2026, 4, 30)) == {}


# --- money ---------------------------------------------------------------------------------------------------------------

RATES = {"USD": {date(2026, 5, 1): Decimal("0.9"), date(2026, 5, 3): Decimal("0.8")}}
PRICED = Plan(timezone="Europe/Berlin", rates=RATES)


def paid(number: int, moment: str, value: str | None, currency: str | None = None, name: str = "buy") -> Event:
    return event(number, name, moment, None, value=None if value is None else Decimal(value), currency=currency)


def test_revenue_is_net_of_refunds_on_their_own_day_and_in_the_rate_of_the_local_day() -> None:
    own = [
        paid(1, "10:00", "10"),
        paid(2, "10:00", "10", "USD"),
        paid(3, "2026-05-02T21:59", "10", "USD"),
        paid(4, "2026-05-02T22:00", "10", "USD"),  # the 3rd in Berlin
        paid(5, "2026-05-03T10:00", "4", "EUR", "refund"),
        paid(6, "2026-04-30T10:00", "10", "USD"),  # before the first rate
        paid(7, "10:00", "10", "GBP"),
        paid(8, "10:00", None, "GBP"),
        paid(9, "10:00", "10", "GBP", "view"),
        paid(10, "2026-05-05T10:00", "10"),
    ]
    found = money.revenue(own, PRICED, named("buy"), named("refund"), date(2026, 4, 30), date(2026, 5, 4), LATER)
    assert list(found.by_day.values()) == [0, 19, 9, 4, 0]
    assert [e.event_id.int for e in found.unconverted] == [6, 7]


def test_revenue_does_not_know_the_future() -> None:
    found = money.revenue([paid(1, "10:00", "10")], PRICED, everything, nothing, MAY, MAY, at("09:59"))
    assert found.by_day == {MAY: 0}


def credited(own: list[Event], window: timedelta | None = HOUR, match: events.Expression | None = None) -> list[int | None]:
    found = money.credit_conversions(own, UTC_PLAN, named("ad"), named("buy"), window, MAY, MAY, LATER, match)
    return [credit.opportunity.event_id.int if credit.opportunity else None for credit in found]


def test_a_conversion_is_credited_to_the_last_opportunity_in_the_window() -> None:
    assert credited(line("ad 10:00", "ad 10:30", "buy 10:40", "buy 10:50")) == [2, 2]
    assert credited(line("ad 10:00", "buy 11:00")) == [1]
    assert credited(line("ad 10:00", "buy 11:00:00.000001")) == [None]
    assert credited(line("ad 2026-01-01", "buy 11:00"), None) == [1]
    assert credited(line("buy 10:00", "ad 10:01")) == [None]


def test_at_one_instant_an_opportunity_counts_whatever_its_id_and_the_highest_wins() -> None:
    assert credited(line("buy 10:00", "ad 10:00", "ad 10:00")) == [3]


def test_an_event_is_not_its_own_opportunity() -> None:
    found = money.credit_conversions(line("buy 10:00", "buy 10:01"), UTC_PLAN, B, B, None, MAY, MAY, LATER)
    assert found == []
    own = money.credit_conversions(line("b 10:00", "b 10:01"), UTC_PLAN, B, B, None, MAY, MAY, LATER)
    assert [credit.opportunity and credit.opportunity.event_id.int for credit in own] == [None, 1]


def test_opportunity_and_conversion_can_be_asked_to_match() -> None:
    def item(e: Event) -> str | None:
        return e.entity_id

    own = [event(1, "ad", "10:00", entity_id="i"), event(2, "ad", "10:10", entity_id="j"), event(3, "ad", "10:20")]
    assert credited([*own, event(4, "buy", "10:30", entity_id="i")], match=item) == [1]
    assert credited([*own, event(4, "buy", "10:30")], match=item) == [None]


def test_credit_is_per_person_and_counts_what_it_leaves() -> None:
    own = [
        event(1, "ad", "10:00", country="DE"),
        event(2, "ad", "10:05", "v"),
        event(3, "buy", "10:10", value=Decimal(5)),
        event(4, "buy", "10:10", "v", value=Decimal(7)),
        event(5, "buy", "10:10", "w", value=Decimal(11)),
        event(6, "buy", "10:10", None, value=Decimal(13)),  # nobody's
        event(7, "buy", "2026-05-02T10:10", value=Decimal(17)),  # not in the range
    ]
    found = money.credit_conversions(own, UTC_PLAN, named("ad"), named("buy"), HOUR, MAY, MAY, LATER)
    assert money.credit_summary(found) == money.CreditResult(4, 2, Decimal(12), Decimal(24), 450)
    assert money.credit_values(found, lambda e: e.country) == {
        "DE": money.CreditResult(1, 1, Decimal(5), Decimal(0), 600),
        "(none)": money.CreditResult(1, 1, Decimal(7), Decimal(0), 300),
    }
    assert money.credit_summary([]) == money.CreditResult(0, 0, Decimal(0), Decimal(0), None)
