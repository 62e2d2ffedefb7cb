"""Guesses what kinds of event are for: views, background work, money in and out, the goal."""

from dataclasses import dataclass

from analytics_pipeline.tracking_plan.infer import words
from analytics_pipeline.tracking_plan.infer.facts import EventFacts, Facts


@dataclass(frozen=True)
class Role:
    """What is guessed of one kind of event; each with the reason, empty where it is not so.

    Attributes:
        page: counts as a view.
        quiet: does not count as activity.
    """

    page: str = ""
    quiet: str = ""


@dataclass(frozen=True)
class Roles:
    """What is guessed of all.

    Attributes:
        of: by name.
        revenue: names of events whose value comes in.
        refunds: names of those whose value goes out again.
        conversion: the goal; None where none stands out.
        sign_up: an account is made.
        notes: what a person should know, by key of the plan.
    """

    of: dict[str, Role]
    revenue: tuple[str, ...]
    refunds: tuple[str, ...]
    conversion: str | None
    sign_up: str | None
    notes: dict[str, str]


def guess_roles(facts: Facts) -> Roles:
    """Look at names, values, persons and devices."""
    refunds = tuple(e.name for e in facts.events if words.says(e.name, "refund") and e.value_share > 0)
    notes: dict[str, str] = {}
    revenue = _revenue(facts, refunds, notes)
    of = {event.name: Role(_why_page(event), _why_quiet(event, facts, refunds)) for event in facts.events}
    active = [event for event in facts.events if not of[event.name].quiet]
    sign_up = next((e.name for e in active if words.says(e.name, "sign_up")), None)
    conversion = revenue[0] if revenue else _goal(active, sign_up)
    if conversion and not revenue:
        notes["conversion"] = "by its name"
    return Roles(of, revenue, refunds, conversion, sign_up, notes)


def _why_page(event: EventFacts) -> str:
    if words.says(event.name, "page") and not words.says(event.name, "quiet"):
        return "a view by its name"
    return ""


def _why_quiet(event: EventFacts, facts: Facts, refunds: tuple[str, ...]) -> str:
    if event.name in refunds:
        return "what the shop does, not the person"
    if words.says(event.name, "quiet"):
        return "background by its name"
    if event.person_share < 0.05:
        return "has no person"
    if event.regular_share >= 0.5:
        return f"comes every {event.regular_seconds} s by itself: {event.regular_share:.0%} of the pairs"
    others = [e for e in facts.events if e.person_share >= 0.05]
    with_device = sum(e.device_share * e.events for e in others) / max(1, sum(e.events for e in others))
    if with_device >= 0.8 and event.device_share < 0.05:
        return "has no device, unlike the others"
    with_session = sum(e.session_share * e.events for e in others) / max(1, sum(e.events for e in others))
    if with_session >= 0.8 and event.session_share < 0.05:
        return "is in no session, unlike the others"
    return ""


def _revenue(facts: Facts, refunds: tuple[str, ...], notes: dict[str, str]) -> tuple[str, ...]:
    """The one kind of event whose value is money that came in: two of them would count it twice."""
    valued = [e for e in facts.events if e.positive_share >= 0.5 and e.name not in refunds and e.negative_share < 0.5]
    scored = sorted(((_money(e), e.total_value, e.name) for e in valued), reverse=True)
    chosen = [name for score, _, name in scored if score > 0][:1]
    if not chosen and len(valued) == 1 and not words.says(valued[0].name, "undone") and valued[0].currency_share >= 0.5:
        chosen = [valued[0].name]
    others = [name for _, _, name in scored if name not in chosen]
    if chosen and others:
        notes["revenue"] = f"these carry values, too; add those that are other money: {', '.join(others)}"
    elif others:
        notes["revenue"] = f"these carry values; if one is money that comes in: {', '.join(others)}"
    return tuple(chosen)


def _money(event: EventFacts) -> int:
    if words.says(event.name, "undone"):
        return 0
    paid, sold = words.says(event.name, "paid"), words.says(event.name, "sold")
    return 2 * paid + sold + (words.says(event.name, "done") + (event.currency_share >= 0.5) if paid or sold else 0)


def _goal(active: list[EventFacts], sign_up: str | None) -> str | None:
    undone = {e.name for e in active if words.says(e.name, "undone") or words.says(e.name, "page")}
    for goal in ("paid", "booked", "subscribed", "applied", "asked"):
        found = [e.name for e in active if e.name not in undone and words.says(e.name, goal)]
        if found:
            return found[0]
    return sign_up
