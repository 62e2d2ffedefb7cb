"""Guesses what a plan says of a property, from what was counted of it."""

from dataclasses import dataclass
from typing import Any

from analytics_pipeline.tracking_plan.infer import words
from analytics_pipeline.tracking_plan.infer.facts import EventFacts, Facts, PropertyFacts

ALWAYS_FROM = 20
"""Events; fewer do not show that a property is always there."""

FEW, VALUES_FROM = 12, 50
_SHARED_BY, _SHARED_FROM = 0.8, 4
_SHOWN = 40


@dataclass(frozen=True)
class PropertyDraft:
    """A property as the plan would declare it.

    Attributes:
        declared: keys of the plan; empty for a text that need not be there.
        note: what speaks for it, for a person.
    """

    name: str
    declared: dict[str, Any]
    note: str


def describe(property_: PropertyFacts, event: EventFacts) -> PropertyDraft:
    """A property of one kind of event."""
    return _draft(property_, event.events)


def shared_properties(facts: Facts) -> dict[str, PropertyDraft]:
    """Properties that nearly all kinds of event carry with one type: trackers add them. They are declared once.

    What most of those kinds always carry, and others don't, is their own.
    """
    found: dict[str, PropertyDraft] = {}
    kinds = [event for event in facts.events if event.properties]
    names = {p.name for event in kinds for p in event.properties}
    for name in sorted(names) if len(kinds) >= _SHARED_FROM else []:
        carriers = [(event, p) for event in kinds for p in event.properties if p.name == name]
        always = sum(p.events == event.events for event, p in carriers)
        is_theirs = always > len(carriers) / 2 and always < len(facts.events)
        if len(carriers) < _SHARED_BY * len(facts.events) or len({p.type for _, p in carriers}) > 1 or is_theirs:
            continue
        together = _together(name, [p for _, p in carriers])
        draft = _draft(together, facts.total)
        found[name] = PropertyDraft(
            name, draft.declared, f"{draft.note}; {len(carriers)} of {len(facts.events)} kinds of event carry it"
        )
    return found


def _together(name: str, properties: list[PropertyFacts]) -> PropertyFacts:
    events = sum(p.events for p in properties)
    types: dict[str, int] = {}
    values: dict[str, int] = {}
    looks: dict[str, float] = {}
    for p in properties:
        for kind, number in p.types.items():
            types[kind] = types.get(kind, 0) + number
        for value, number in p.values.items():
            values[value] = values.get(value, 0) + number
        for look, share in p.looks.items():
            looks[look] = looks.get(look, 0) + share * p.events / max(1, events)
    is_known = all(p.values or not p.events for p in properties if p.type == "text")
    distinct = len(values) if values and is_known else max(p.distinct for p in properties)
    return PropertyFacts(name, events, types, distinct, values if is_known else {}, looks, sum(p.empty for p in properties))


def _draft(p: PropertyFacts, of: int) -> PropertyDraft:
    declared: dict[str, Any] = {}
    type_ = "timestamp" if p.type == "text" and p.looks.get("time", 0) >= 0.99 else p.type
    if type_ != "text":
        declared["type"] = type_
    if p.events == of and of >= ALWAYS_FROM:
        declared["required"] = True
    notes = [f"{_percent(p.events, of)} of {counted(of, 'event')}"]
    if p.events == of < ALWAYS_FROM:
        notes.append("too few to call it required")
    if p.empty:
        notes.append(f"an empty text in {p.empty:,}")
    why = why_personal(p)
    if why:
        declared["personal"] = True
        notes.append(why)
    elif type_ == "text" and has_few_values(p):
        declared["values"] = sorted(p.values)
    if type_ == "text" and set(p.types) == {"text"}:
        notes.append(f"{p.distinct} different" if p.values else f"about {p.distinct:,} different")
    if len(p.types) > 1:
        notes.append("of several types: " + ", ".join(f"{n:,} {t}" for t, n in sorted(p.types.items(), key=lambda i: -i[1])))
    elif type_ == "text" and p.looks.get("number", 0) >= 0.99 and not words.ends_with(p.name, "identifier"):
        notes.append("texts that are numbers; if they are meant as such, name it under `casts` of the mapping")
    return PropertyDraft(p.name, declared, "; ".join(notes))


def why_personal(p: PropertyFacts) -> str:
    """Why a property may be personal; empty where nothing speaks for it."""
    if p.type == "boolean":
        return ""
    for look, what in (("email", "e-mail addresses"), ("phone", "telephone numbers"), ("ip", "IP addresses")):
        if p.looks.get(look, 0) >= 0.2:
            return f"{p.looks[look]:.0%} {'hold' if p.type in ('object', 'array') else 'are'} {what}"
    if words.says(p.name, "personal"):
        return "personal by its name"
    if p.type == "text" and words.says(p.name, "free_text"):
        return "free text by its name: people write about themselves"
    if p.looks.get("sentence", 0) >= 0.5 and p.distinct > p.events / 2 and p.events >= VALUES_FROM:
        return "free text: people write about themselves"
    return ""


def has_few_values(p: PropertyFacts) -> bool:
    """Few texts, each of which came more than once: another one would be a surprise. Numbers and ids are no such texts."""
    is_kind = p.looks.get("number", 0) < 0.5 and not words.ends_with(p.name, "identifier")
    is_few = 1 < len(p.values) <= FEW and p.events >= VALUES_FROM and min(p.values.values()) > 1 and not p.empty
    return is_kind and is_few and set(p.types) == {"text"} and max(map(len, p.values)) <= _SHOWN


def counted(number: int, noun: str) -> str:
    """1 event, 2,000 events."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _percent(part: int, whole: int) -> str:
    if part == whole:
        return "100%"
    share = part / whole
    return "less than 0.1%" if share < 0.001 else f"{min(share, 0.999):.1%}" if share < 0.01 or share > 0.99 else f"{share:.0%}"
