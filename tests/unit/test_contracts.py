"""Contracts as events are loaded: what is found by columns is what a reader of one event after the other finds."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics_pipeline.events.contracts import Contracts, PropertyRule, faults_of, is_timestamp
from analytics_pipeline.events.json_lines import json_records
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.events.normalise import Normaliser, Refusal

RECEIVED = datetime(2026, 3, 1, tzinfo=UTC)
STARTS = datetime(2020, 1, 1, tzinfo=UTC)
ENVELOPE = load_mapping("envelope")
KEYS = ("a", "b", "c.d", "é ü", "", 'q"uote', "back\\slash", "*", "[0]")


def line(properties: str, event_name: str = "strict", **columns: Any) -> bytes:
    """An event; its properties as they are written, so that a key can be there twice."""
    event = {"event_name": event_name, "occurred_at": "2026-02-01T10:00:00Z", **columns}
    return (json.dumps(event)[:-1] + f', "properties": {properties}}}').encode()


def loaded(lines: Sequence[bytes], contracts: Contracts) -> tuple[list[int], list[Refusal]]:
    with Normaliser(ENVELOPE, "test", uuid.UUID(int=0), STARTS, RECEIVED, contracts=contracts) as normaliser:
        chunk = normaliser.apply(json_records(list(range(1, len(lines) + 1)), list(lines)))
    return chunk.events["line_number"].to_pylist(), chunk.refused


def naive(pairs: list[tuple[str, Any]], rules: dict[str, PropertyRule]) -> set[tuple[str, str]]:
    """What is wrong with the properties, rule by rule as the documentation has it."""
    last = dict(pairs)
    wrong = {(key, "unknown_property") for key, value in last.items() if key not in rules and value is not None}
    for key, rule in rules.items():
        value = last.get(key)
        possible = rule.values
        if value is None or (isinstance(value, str) and value == "" and rule.is_required and "" not in (possible or [])):
            if rule.is_required:
                wrong.add((key, "missing"))
            continue
        fits = {
            "text": isinstance(value, str),
            "timestamp": isinstance(value, str) and naive_time(value),
            "number": isinstance(value, int | float) and not isinstance(value, bool),
            "boolean": isinstance(value, bool),
            "object": isinstance(value, dict),
            "array": isinstance(value, list),
        }[rule.type]
        if not fits:
            wrong.add((key, "wrong_type"))
        elif possible is not None and value not in possible:
            wrong.add((key, "impossible_value"))
    return wrong


def naive_time(text: str) -> bool:
    """Python reads it, and it is one of the forms that the documentation shows."""
    has_form = len(text) >= 10 and text[4:5] + text[7:8] == "--" and (len(text) == 10 or text[10] in "T ")
    if not has_form or not text.isascii() or text != text.strip() or "W" in text:
        return False
    try:
        datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return False
    return True


TIMES = [
    "2026-02-28",
    "2026-02-30",
    "2026-02-28T10:00:00Z",
    "2026-02-28 10:00",
    "2026-02-28T25:00:00Z",
    "soon",
    "2026-02-28T10:00:00+02:00",
]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "y", "z", "null", "1", *TIMES]) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.sampled_from(KEYS), children, max_size=2),
    max_leaves=4,
)  # fmt: skip
rules = st.builds(
    lambda type_, is_required, values: PropertyRule(
        type_, is_required, values=frozenset(values) if type_ == "text" and values else None
    ),
    st.sampled_from(["text", "text", "number", "boolean", "timestamp", "object", "array"]),
    st.booleans(),
    st.none() | st.sets(st.sampled_from(["", "x", "y"]), min_size=1),
)
plans = st.dictionaries(
    st.sampled_from(["strict", "other"]), st.dictionaries(st.sampled_from(KEYS), rules, max_size=5), max_size=2
)
documents = st.lists(st.tuples(st.sampled_from(KEYS), values), max_size=5)
events = st.lists(st.tuples(st.sampled_from(["strict", "other", "lenient", "new"]), documents), max_size=12)


@settings(max_examples=150, deadline=None)
@given(plan=plans, events=events, is_closed=st.booleans())
@example(
    plan={"strict": {"a": PropertyRule("number", True)}},
    events=[("strict", [("a", 1), ("a", None)]), ("strict", [("a", None), ("a", 1)])],
    is_closed=False,
)
def test_a_strict_event_is_refused_exactly_when_it_breaks_the_plan(
    plan: dict[str, dict[str, PropertyRule]], events: list[tuple[str, list[tuple[str, Any]]]], is_closed: bool
) -> None:
    known = frozenset({"strict", "other", "lenient"}) if is_closed else None
    expected: dict[int, set[tuple[str, str]]] = {}
    lines = []
    for number, (name, pairs) in enumerate(events, 1):
        text = "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs) + "}"
        lines.append(line(text, name))
        wrong = {("", "unknown_event")} if known and name not in known else naive(pairs, plan[name]) if name in plan else set()
        if wrong:
            expected[number] = wrong
    accepted, refused = loaded(lines, Contracts(plan, known))
    found = {
        r.line_number: {(f.property.replace("(empty)", ""), f.violation) for f in r.breach.faults} for r in refused if r.breach
    }
    assert found == expected
    assert accepted == [n for n in range(1, len(lines) + 1) if n not in expected]
    assert all(r.reason_code == "contract" and r.payload == lines[r.line_number - 1] for r in refused)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(TIMES)
    | st.text("0123456789-:TZ+ .,", max_size=26)
    | st.datetimes().map(datetime.isoformat)
    | st.dates().map(str)
)
@example("0000-01-01")
@example("2026-02-28\n")
@example("2026-02-28T10:00:00.123456789Z")
def test_a_time_is_judged_by_columns_as_one_by_one(text: str) -> None:
    contracts = Contracts({"strict": {"at": PropertyRule("timestamp")}})
    _, refused = loaded([line(json.dumps({"at": text}))], contracts)
    assert (not refused) == is_timestamp(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("2026-02-28", True),
        ("2026-02-28T10:00Z", True),
        ("2026-02-28 10:00:00.5+0200", True),
        ("2026-02-28T10:00:00", True),
        ("2026-02-29", False),
        ("2026-02-28T24:00:00Z", False),
        ("28.02.2026", False),
        ("1772272800", False),
        ("", False),
    ],
)
def test_a_timestamp_is_a_day_or_time_of_iso_8601(text: str, is_one: bool) -> None:
    assert is_timestamp(text) == is_one


@pytest.mark.parametrize(
    ("value", "rule", "says"),
    [
        ("3", PropertyRule("number"), 'size is "3", and must be a number'),
        (3, PropertyRule("text"), "size is 3, and must be text"),
        ("XXL", PropertyRule("text", values=frozenset("SM")), 'size is "XXL", and must be one of M, S'),
        ("", PropertyRule("text", is_required=True), "size is missing"),
        (None, PropertyRule("number", is_required=True), "size is missing"),
        (1772272800, PropertyRule("timestamp"), "size is 1772272800, and must be a time (ISO 8601)"),
    ],
)
def test_the_reason_names_event_property_fault_and_value(value: Any, rule: PropertyRule, says: str) -> None:
    (refused,) = loaded([line(json.dumps({"size": value}))], Contracts({"strict": {"size": rule}}))[1]
    assert refused.reason == f"the event breaks its contract in the tracking plan: strict: {says}"


def test_personal_values_are_masked_in_the_reason() -> None:
    secret = "Anna Arendt"
    contracts = Contracts(
        {
            "strict": {
                "who": PropertyRule("number", is_personal=True),
                "email": PropertyRule("number"),
                "note": PropertyRule("text", values=frozenset("x")),
            }
        }
    )
    text = json.dumps(
        {"who": secret, "email": secret, "note": "anna@example.org", "new": secret, "phone": 491701234567, "anna@x.de": 1}
    )
    (refused,) = loaded([line(text)], contracts)[1]
    assert refused.breach is not None
    shown = refused.reason + str(refused.breach.faults)
    assert "Anna" not in shown
    assert "anna@" not in shown
    assert "4917" not in shown
    assert 'text "xxxx xxxxxx"' in shown


def test_an_event_of_another_mapping_is_judged_with_the_keys_that_became_properties() -> None:
    contracts = Contracts({"strict": {"colour": PropertyRule("text", is_required=True)}})
    lines = [line("{}", colour="red"), line("{}", color="red"), line('{"colour": 1}', colour="red")]
    assert loaded(lines, contracts)[0] == [1]


def test_the_same_mapping_serves_two_plans_in_one_process() -> None:
    text = [line('{"a": 1}')]
    assert loaded(text, Contracts({"strict": {"a": PropertyRule("text")}}))[0] == []
    assert loaded(text, Contracts({"strict": {"a": PropertyRule("number")}}))[0] == [1]
    assert loaded(text, Contracts())[0] == [1]


def test_faults_are_named_unknown_ones_first() -> None:
    rules = {"a": PropertyRule("text", True), "b": PropertyRule("number")}
    assert [(f.property, f.violation) for f in faults_of({"z": 1, "b": "x"}, rules)] == [
        ("z", "unknown_property"),
        ("a", "missing"),
        ("b", "wrong_type"),
    ]


@pytest.mark.parametrize(("value", "is_number"), [("1e400", True), ("9" * 400, True), ("-0.0", True), ('"1e400"', False)])
def test_numbers_beyond_floats_are_numbers(value: str, is_number: bool) -> None:
    contracts = Contracts({"strict": {"a": PropertyRule("number"), "b": PropertyRule("text", values=frozenset("x"))}})
    accepted, _ = loaded([line(f'{{"a": {value}, "b": "x"}}')], contracts)
    assert (accepted == [1]) == is_number
    (refused,) = loaded([line(f'{{"a": {value}, "b": "y"}}')], contracts)[1]
    assert refused.breach is not None
    assert ("a", "wrong_type") in {(f.property, f.violation) for f in refused.breach.faults} or is_number


def test_half_a_character_is_left_to_postgresql() -> None:
    contracts = Contracts({"strict": {"a": PropertyRule("text", values=frozenset("x"))}})
    accepted, refused = loaded([line('{"a": "\\ud800"}'), line('{"a": "x"}')], contracts)
    assert sorted(accepted + [r.line_number for r in refused]) == [1, 2]


def test_ten_thousand_shapes_are_told_apart() -> None:
    rules = {"a": PropertyRule("number")}
    lines = [line(json.dumps({"a": 1, f"k{n}": 1})) for n in range(10_000)]
    accepted, refused = loaded(lines, Contracts({"strict": rules}))
    assert (accepted, len(refused)) == ([], 10_000)
