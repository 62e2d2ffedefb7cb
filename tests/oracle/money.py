"""Money: amounts in the plan's currency, net revenue, and which opportunity a conversion is credited to."""

import statistics
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from tests.oracle.events import (
    Event,
    Expression,
    Plan,
    Selector,
    canonical,
    identify,
    in_days,
    local_day,
    periods,
    visible,
)


@dataclass(frozen=True)
class Revenue:
    """Net revenue of every day of the range, and the events that could not be converted and are left out."""

    by_day: dict[date, Decimal]
    unconverted: list[Event]


@dataclass(frozen=True)
class Credit:
    """A conversion and the opportunity that it is credited to, if any."""

    conversion: Event
    opportunity: Event | None
    amount: Decimal

    @property
    def seconds(self) -> float:
        """From the opportunity to the conversion."""
        if self.opportunity is None:
            raise ValueError("not credited")
        return (self.conversion.occurred_at - self.opportunity.occurred_at).total_seconds()


@dataclass(frozen=True)
class CreditResult:
    conversions: int
    credited: int
    value: Decimal
    uncredited_value: Decimal
    mean_seconds: float | None


def rate(currency: str, day: date, plan: Plan) -> Decimal | None:
    """The rate whose valid-from day is the latest one on or before the day."""
    if currency == plan.currency:
        return Decimal(1)
    known = plan.rates.get(currency, {})
    begun = [start for start in known if start <= day]
    return known[max(begun)] if begun else None


def in_plan_currency(event: Event, plan: Plan) -> Decimal | None:
    """The event's value in the plan's currency; no value is 0, no rate is None."""
    if event.value is None:
        return Decimal(0)
    used = rate(event.currency or plan.currency, local_day(event.occurred_at, plan), plan)
    return None if used is None else event.value * used


def amount(event: Event, plan: Plan) -> Decimal:
    """As `in_plan_currency`, where what can't be converted adds nothing."""
    converted = in_plan_currency(event, plan)
    return Decimal(0) if converted is None else converted


def revenue(
    events: list[Event], plan: Plan, revenue: Selector, refund: Selector, first: date, last: date, as_of: datetime
) -> Revenue:
    """Revenue less refunds, each on its own local day; events without a person count."""
    by_day = {day: Decimal(0) for day in periods(first, last, "day", plan)}
    unconverted = []
    for event in visible(events, as_of):
        day = local_day(event.occurred_at, plan)
        if day not in by_day or not (revenue(event) or refund(event)):
            continue
        if in_plan_currency(event, plan) is None:
            unconverted.append(event)
        if revenue(event):
            by_day[day] += amount(event, plan)
        if refund(event):
            by_day[day] -= amount(event, plan)
    return Revenue(by_day, unconverted)


def is_match(opportunity: Event, conversion: Event, window: timedelta | None, match: Expression | None) -> bool:
    """Whether the opportunity is at or before the conversion, inside the window, and about the same thing."""
    waited = conversion.occurred_at - opportunity.occurred_at
    if opportunity == conversion or waited < timedelta(0) or (window is not None and waited > window):
        return False
    return match is None or (match(conversion) is not None and match(opportunity) == match(conversion))


def credit_conversions(
    events: list[Event],
    plan: Plan,
    opportunity: Selector,
    conversion: Selector,
    window: timedelta | None,
    first: date,
    last: date,
    as_of: datetime,
    match: Expression | None = None,
) -> list[Credit]:
    """Every conversion of the range; one without a person has no opportunity."""
    found = []
    persons = identify(events, plan, as_of)
    ownerless = [e for e in visible(events, as_of) if e.user_id is None and e.anonymous_id is None]
    for own in [*persons.values(), *([event] for event in ownerless)]:
        for event in own:
            if conversion(event) and in_days(event, first, last, plan):
                before = [e for e in own if opportunity(e) and is_match(e, event, window, match)]
                found.append(Credit(event, max(before, key=canonical, default=None), amount(event, plan)))
    return found


def credit_summary(found: list[Credit]) -> CreditResult:
    credited = [credit for credit in found if credit.opportunity is not None]
    value = sum((credit.amount for credit in credited), Decimal(0))
    total = sum((credit.amount for credit in found), Decimal(0))
    mean = statistics.fmean(credit.seconds for credit in credited) if credited else None
    return CreditResult(len(found), len(credited), value, total - value, mean)


def credit_values(found: list[Credit], by: Expression) -> dict[str, CreditResult]:
    """Value of the opportunity -> its credited conversions; a null value is `(none)`."""
    groups: dict[str, list[Credit]] = {}
    for credit in found:
        if credit.opportunity is not None:
            value = by(credit.opportunity)
            groups.setdefault("(none)" if value is None else value, []).append(credit)
    return {value: credit_summary(group) for value, group in groups.items()}
