"""Writes a first tracking plan down: YAML, with the evidence as comments for the person who corrects it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from analytics_pipeline.tracking_plan.infer import words
from analytics_pipeline.tracking_plan.infer.dimensions import guess_currency, guess_dimensions, guess_zone
from analytics_pipeline.tracking_plan.infer.facts import EventFacts, Facts
from analytics_pipeline.tracking_plan.infer.funnel import guess_funnel
from analytics_pipeline.tracking_plan.infer.numbers import guess_numbers
from analytics_pipeline.tracking_plan.infer.properties import PropertyDraft, counted, describe, shared_properties
from analytics_pipeline.tracking_plan.infer.roles import Roles, guess_roles

_TIMEOUTS = (30, 45, 60, 120, 240, 480, 1440)


@dataclass(frozen=True)
class Wishes:
    """What the person said instead of leaving it to a guess."""

    name: str = ""
    timezone: str = ""
    currency: str = ""


def draft_plan(facts: Facts, wishes: Wishes, read: str) -> str:
    """The text of a plan.

    Args:
        facts: of at least one event.
        wishes: name, timezone and currency, as far as they are known.
        read: what was counted, for the head of the file.
    """
    roles = guess_roles(facts)
    shared = shared_properties(facts)
    zone, why_zone = (wishes.timezone, "") if wishes.timezone else guess_zone(facts)
    currency, why_currency = (wishes.currency, "") if wishes.currency else guess_currency(facts)
    dimensions = guess_dimensions(facts, roles)
    steps = guess_funnel(facts, roles)
    numbers = guess_numbers(facts, roles, [name for name, _ in steps], list(dimensions), currency or "value")
    lines = [
        f"# A first tracking plan, guessed from {read}.",
        "# Every line is for you to correct; the comments say what speaks for it. Then: plan check, plan publish.",
        *_head(facts, roles, wishes, (zone, why_zone), (currency, why_currency)),
        "",
        *_excluded(facts),
        *_block("properties", ((name, draft.declared, draft.note) for name, draft in shared.items())),
        "events:",
        *(line for event in facts.events for line in _event(event, roles, shared)),
        *([f"  # and {facts.kinds - len(facts.events)} kinds with fewer events"] if facts.kinds > len(facts.events) else []),
        "",
        *_block("dimensions", ((name, value, note) for name, (value, note) in dimensions.items())),
        *_block("measures", ((name, of, "") for name, of in numbers.measures.items())),
        *_block("kpis", ((name, of, "") for name, of in numbers.kpis.items())),
        *_funnel(steps),
        "",
        "retentions:",
        "  weekly: {title: Persons who come back, mode: first_time, grain: week, periods: 12}",
    ]
    return "\n".join([*lines, ""])


def _head(facts: Facts, roles: Roles, wishes: Wishes, zone: tuple[str, str], currency: tuple[str | None, str]) -> Iterator[str]:
    name = words.slug_of(wishes.name) if wishes.name else "product"
    yield "version: 1"
    yield f"name: {_flow(name)}"
    yield f"title: {_flow(wishes.name or 'My product')}"
    yield _noted(f"timezone: {_flow(zone[0])}", zone[1])
    start, earliest = (moment.astimezone(ZoneInfo(zone[0])).date() for moment in (facts.first, facts.earliest))
    if (start - earliest).days <= 30:
        start, note = earliest, "the first day of these events; earlier events are refused"
    else:
        note = f"a thousandth of the events is earlier, from {earliest} on, and would be refused"
    yield _noted(f"start: {start}", note)
    if currency[0]:
        yield _noted(f"currency: {_flow(currency[0])}", currency[1])
    yield _noted(*_session_timeout(facts))
    if roles.conversion:
        yield _noted(f"conversion: {_flow(_selector(roles.conversion))}", roles.notes.get("conversion", "money comes in"))
    if roles.revenue:
        money = {"events": list(roles.revenue)} | ({"refunds": list(roles.refunds)} if roles.refunds else {})
        yield _noted(f"revenue: {_flow(money)}", roles.notes.get("revenue", ""))
    elif "revenue" in roles.notes:
        yield _noted("# revenue: {events: []}", roles.notes["revenue"])


def _session_timeout(facts: Facts) -> tuple[str, str]:
    gap = facts.session_gap_seconds
    if gap is None:
        has_sessions = any(event.session_share > 0 for event in facts.events)
        why = "for events without a session of the tracker" if has_sessions else "events bring no session of their own"
        return "session_timeout: 30m", f"a longer gap ends a session; {why}"
    minutes = next((m for m in _TIMEOUTS if gap <= 60 * m), _TIMEOUTS[-1])
    said = f"{gap / 60:.0f} min" if gap >= 60 else f"{gap:.0f} s"
    return f"session_timeout: {minutes}m", f"in the tracker's sessions, which count, 99.9% of the gaps are shorter than {said}"


def _excluded(facts: Facts) -> Iterator[str]:
    """Marks of tests and staff are true or false, and on few events."""
    found: dict[str, int] = {}
    for event in facts.events:
        for p in event.properties:
            if p.type == "boolean" and words.says(p.name, "traffic") and p.name.isidentifier():
                found[p.name] = found.get(p.name, 0) + p.events
    rules = ((words.slug_of(name), f"properties.{name} = 'true'", f"on {n:,} events") for name, n in found.items())
    yield from _block("exclude", rules)


def _event(event: EventFacts, roles: Roles, shared: dict[str, PropertyDraft]) -> Iterator[str]:
    role = roles.of[event.name]
    said = f"{counted(event.events, 'event')} of {counted(event.persons, 'person')} on {counted(event.days, 'day')}"
    own = [describe(p, event) for p in event.properties if p.name not in shared]
    if not (own or role.page or role.quiet):
        yield _noted(f"  {_flow(event.name)}: {{}}", said)
        return
    yield _noted(f"  {_flow(event.name)}:", said)
    if role.page:
        yield _noted("    page: true", role.page)
    if role.quiet:
        yield _noted("    activity: false", role.quiet)
    if own:
        yield "    properties:"
    for draft in own:
        yield _noted(f"      {_flow(draft.name)}: {_flow(draft.declared)}", draft.note)


def _funnel(steps: list[tuple[str, str]]) -> Iterator[str]:
    if not steps:
        yield "# funnels: no way to a goal stands out; write your own: docs/analyses/funnels.md"
        return
    yield "funnels:"
    yield "  main:"
    yield f"    title: {_flow(f'From {words.title_of(steps[0][0]).lower()} to {words.title_of(steps[-1][0]).lower()}')}"
    yield "    window: 14d"
    yield "    steps:"
    for name, note in steps:
        yield _noted(f"      - {_flow({'title': words.title_of(name), **_step(name)})}", note)


def _selector(name: str) -> Any:
    """An event may be called `any`, which means all of them."""
    return {"where": "event_name = 'any'"} if name == "any" else name


def _step(name: str) -> dict[str, str]:
    selector = _selector(name)
    return selector if isinstance(selector, dict) else {"event": name}


def _block(key: str, rows: Any) -> Iterator[str]:
    lines = [_noted(f"  {_flow(name)}: {_flow(value)}", note) for name, value, note in rows]
    if lines:
        yield f"{key}:"
        yield from lines
        yield ""


def _noted(line: str, note: str) -> str:
    """A comment is one line of what can be printed: names and values may hold anything."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in note).split())
    return f"{line}  # {clean}" if clean else line


class _OneLine(yaml.SafeDumper):
    """Texts that do not fit into one line as they are, are quoted."""


def _text(dumper: _OneLine, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_OneLine.add_representer(str, _text)


def _flow(value: Any) -> str:
    text = str(yaml.dump(value, Dumper=_OneLine, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9))
    return text.removesuffix("\n").removesuffix("\n...")
