"""Guesses which measures and KPIs a product wants first, from the roles of its events."""

from dataclasses import dataclass, field
from typing import Any

from analytics_pipeline.tracking_plan.infer.facts import Facts
from analytics_pipeline.tracking_plan.infer.roles import Roles
from analytics_pipeline.tracking_plan.infer.words import slug_of, title_of


@dataclass
class Numbers:
    """Measures and KPIs, by name, as the plan has them."""

    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    kpis: dict[str, dict[str, Any]] = field(default_factory=dict)

    def measure(self, name: str, **aggregate: Any) -> str:
        """Add a measure; its name, made unique."""
        name = name if name not in self.measures else f"{name}_2"
        self.measures[name] = aggregate
        return name

    def kpi(self, name: str, title: str, description: str, formula: str, **more: Any) -> None:
        """Add a KPI, unless there is one of that name."""
        said = {"title": title, "description": description, "formula": formula, **more}
        self.kpis.setdefault(name, {key: value for key, value in said.items() if value or key in ("title", "formula")})


def guess_numbers(facts: Facts, roles: Roles, steps: list[str], dimensions: list[str], currency: str) -> Numbers:
    """Activity and sessions always; money, the goal and sign-ups where there are some; how often each other event comes.

    Args:
        facts: what was counted.
        roles: what events are for.
        steps: names of the events of the funnel, or none.
        dimensions: names; numbers are divided by the first three.
        currency: of money.
    """
    numbers = Numbers()
    main = dimensions[:3]
    if roles.revenue:
        _money(numbers, roles, main, currency)
    elif roles.conversion:
        _goal(numbers, roles.conversion, main)
    _activity(numbers, main, has_pages=any(role.page for role in roles.of.values()), has_goal=roles.conversion is not None)
    if roles.sign_up:
        numbers.measure("sign_ups", count="persons", where=is_event(roles.sign_up))
        numbers.kpi("sign_ups", "Sign-ups", f"Persons with {roles.sign_up}", "sign_ups", unit="persons", dimensions=main)
    said = {*roles.revenue, *roles.refunds, roles.conversion, roles.sign_up}
    for event in facts.events[:20]:
        name = f"{slug_of(event.name)}_events"
        if event.name not in said and not roles.of[event.name].quiet and name not in numbers.measures:
            numbers.measure(name, count="events", where=is_event(event.name))
    if steps:
        numbers.measure("entered_persons", count="persons", where=is_event(steps[0]))
        numbers.measure("arrived_persons", count="persons", where=is_event(steps[-1]))
        text, formula = f"Persons with {steps[-1]} for each with {steps[0]}", "arrived_persons / entered_persons"
        numbers.kpi("conversion", "Conversion", text, formula, unit="ratio", dimensions=main, headline=True)
    return numbers


def is_event(*names: str) -> str:
    """The condition that selects events by name."""
    quoted = ["'" + name.replace("'", "''") + "'" for name in names]
    return f"event_name = {quoted[0]}" if len(quoted) == 1 else f"event_name in ({', '.join(quoted)})"


def _money(numbers: Numbers, roles: Roles, main: list[str], currency: str) -> None:
    money, where = {"unit": currency, "dimensions": main}, is_event(*roles.revenue)
    numbers.measure("gross_revenue", sum="value", where=where)
    numbers.measure("orders", count="events", where=where)
    numbers.measure("buyers", count="persons", where=where)
    formula, text = "gross_revenue", "What came in"
    if roles.refunds:
        numbers.measure("refunds", sum="value", where=is_event(*roles.refunds))
        formula, text = "gross_revenue - refunds", "What came in less what was paid back"
    numbers.kpi("net_revenue", "Net revenue", text, formula, **money, headline=True, forecast=True, watch=True)
    said = f"Events {', '.join(roles.revenue)}"
    numbers.kpi("orders", "Orders", said, "orders", unit="orders", dimensions=main, headline=True, forecast=True, watch=True)
    numbers.kpi(
        "average_order_value", "Average order value", "Before refunds", "gross_revenue / orders", **money, headline=True
    )
    numbers.kpi("buyers", "Buyers", "Persons with an order", "buyers", unit="persons", dimensions=main)
    if roles.refunds:
        share = {"unit": "ratio", "direction": "down", "dimensions": main[:1]}
        numbers.kpi("refund_rate", "Refund rate", "Paid back of what came in", "refunds / gross_revenue", **share)


def _goal(numbers: Numbers, conversion: str, main: list[str]) -> None:
    title = title_of(conversion)
    name = numbers.measure("conversions", count="events", where=is_event(conversion))
    numbers.kpi(
        name, title, f"Events {conversion}", name, unit="events", dimensions=main, headline=True, forecast=True, watch=True
    )
    numbers.measure("converters", count="persons", where=is_event(conversion))
    numbers.kpi("converters", f"Persons: {title}", f"Persons with {conversion}", "converters", unit="persons", dimensions=main)


def _activity(numbers: Numbers, main: list[str], *, has_pages: bool, has_goal: bool) -> None:
    persons: dict[str, Any] = {"unit": "persons", "dimensions": main}
    for name, title, days in (
        ("dau", "Daily", "on the day"),
        ("wau", "Weekly", "in seven days"),
        ("mau", "Monthly", "in thirty days"),
    ):
        numbers.measure(name, active_users=name)
        flags = {"headline": True, "forecast": True, "watch": True} if name == "dau" else {}
        text = f"Persons with any activity {days}"
        numbers.kpi(f"{title.lower()}_active_users", f"{title} active users", text, name, **persons, **flags)
    numbers.kpi("stickiness", "Stickiness", "Daily over monthly active users", "dau / mau", grains=["day"], unit="ratio")
    numbers.measure("sessions", count="sessions")
    numbers.measure("session_seconds", sum="duration_seconds", of="sessions")
    numbers.kpi(
        "sessions", "Sessions", "Visits that began on the day", "sessions", unit="sessions", dimensions=main, headline=True
    )
    numbers.kpi(
        "session_minutes", "Minutes per session", "From a session's first event to its last",
        "session_seconds / (sessions * 60)", unit="minutes",
    )  # fmt: skip
    if has_goal:
        numbers.measure("converted_sessions", count="sessions", where="converted")
        said = {"unit": "ratio", "dimensions": main, "headline": True}
        numbers.kpi(
            "session_conversion", "Session conversion", "Sessions with the goal", "converted_sessions / sessions", **said
        )
    if has_pages:
        numbers.measure("viewed_sessions", count="sessions", where="page_views > 0")
        numbers.measure("bounces", count="sessions", where="is_bounce")
        share = {"unit": "ratio", "direction": "down", "dimensions": main}
        numbers.kpi("bounce_rate", "Bounce rate", "Sessions of one view without the goal", "bounces / viewed_sessions", **share)
