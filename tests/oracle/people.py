"""Recency, frequency and monetary value of persons, as in the BTYD literature."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tests.oracle.events import Event, Persons, Plan, Selector, local_day
from tests.oracle.money import amount


@dataclass(frozen=True)
class Rfm:
    """`recency` and `t` in days; `monetary` is the mean of the repeat days' sums, in the plan's currency."""

    frequency: int
    recency: int
    t: int
    monetary: Decimal


def rfm_of(bought: list[Event], plan: Plan, end: date) -> Rfm:
    by_day: dict[date, Decimal] = {}
    for event in bought:
        day = local_day(event.occurred_at, plan)
        by_day[day] = by_day.get(day, Decimal(0)) + amount(event, plan)
    first, last = min(by_day), max(by_day)
    repeats = [total for day, total in by_day.items() if day != first]
    monetary = sum(repeats, Decimal(0)) / len(repeats) if repeats else Decimal(0)
    return Rfm(len(repeats), (last - first).days, (end - first).days, monetary)


def rfm(persons: Persons, plan: Plan, selector: Selector, end: date) -> dict[str, Rfm]:
    """person -> their numbers at the end of the local day `end`; persons without a selected event are left out."""
    found = {}
    for person, events in persons.items():
        bought = [e for e in events if selector(e) and local_day(e.occurred_at, plan) <= end]
        if bought:
            found[person] = rfm_of(bought, plan, end)
    return found
