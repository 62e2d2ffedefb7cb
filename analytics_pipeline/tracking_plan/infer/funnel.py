"""Guesses the way to the goal, from who did what before what."""

from analytics_pipeline.tracking_plan.infer.facts import EventFacts, Facts
from analytics_pipeline.tracking_plan.infer.roles import Roles

_PERSONS_FROM, _BEFORE, _IN_ORDER, _NO_FEWER = 20, 0.7, 0.6, 0.97
_MOST_STEPS, _STEPS_ELSEWHERE = 4, 2


def guess_funnel(facts: Facts, roles: Roles) -> list[tuple[str, str]]:
    """Steps with what speaks for them; empty where no order is clear.

    The last step is the goal, or what the longest way leads to where none leads to the goal. A step before is what nearly all
    who got to the end did first, and what no fewer persons did than the step after it.
    """
    active = [e for e in facts.events if not roles.of[e.name].quiet and e.persons >= _PERSONS_FROM]
    ways = {e.name: _way_to(e, active, facts) for e in active}
    if roles.conversion in ways and len(ways[roles.conversion]) > 1:
        return ways[roles.conversion]
    longest = max(ways.values(), key=len, default=[])
    return longest if len(longest) > _STEPS_ELSEWHERE else []


def _way_to(goal: EventFacts, active: list[EventFacts], facts: Facts) -> list[tuple[str, str]]:
    before = {e.name: facts.before.get((e.name, goal.name), 0) / goal.persons for e in active if e is not goal}
    candidates = [e for e in active if before.get(e.name, 0) >= _BEFORE]
    chain = [goal]
    for event in sorted(candidates, key=lambda e: (-_lateness(e, candidates, facts), e.name)):
        if _share(event, chain[0], facts) >= _IN_ORDER and event.persons >= _NO_FEWER * chain[0].persons:
            chain.insert(0, event)
    if len(chain) > _MOST_STEPS + 1:
        chain = [chain[0], *chain[-_MOST_STEPS:]]
    shares = {e.name: f"; {min(before[e.name], 1):.0%} of those at the end came by first" for e in chain[:-1]}
    return [(e.name, f"{e.persons:,} persons{shares.get(e.name, '')}") for e in chain]


def _lateness(event: EventFacts, others: list[EventFacts], facts: Facts) -> float:
    return sum(_share(other, event, facts) for other in others)


def _share(one: EventFacts, other: EventFacts, facts: Facts) -> float:
    """Of the persons who did both, those who did the first one first."""
    both = facts.both.get((one.name, other.name), 0)
    return facts.before[one.name, other.name] / both if both else 0
