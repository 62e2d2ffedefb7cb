"""Guesses by which values numbers are to be divided, in which zone days are cut, and which currency counts."""

from analytics_pipeline.tracking_plan.infer import words
from analytics_pipeline.tracking_plan.infer.facts import Facts, PropertyFacts
from analytics_pipeline.tracking_plan.infer.properties import FEW, counted, has_few_values, why_personal
from analytics_pipeline.tracking_plan.infer.roles import Roles
from analytics_pipeline.tracking_plan.infer.zones import zone_of_country

_COLUMNS = {
    "country": "country",
    "device": "device_type",
    "platform": "platform",
    "region": "region",
    "city": "city",
    "version": "app_version",
}
_MOST_VALUES, _LEAST_SHARE, _MOST_PROPERTIES = 50, 0.5, 3


def guess_dimensions(facts: Facts, roles: Roles) -> dict[str, tuple[str, str]]:
    """Name to value and what speaks for it: columns with few values, then properties with few values on several events."""
    found: dict[str, tuple[str, str]] = {}
    for name, column in _COLUMNS.items():
        of = facts.columns.get(column)
        if of is not None and 1 < of.distinct <= _MOST_VALUES and of.events >= _LEAST_SHARE * facts.total:
            found[name] = (column, f"{of.distinct} values in {of.events / facts.total:.0%} of the events: {_some(of)}")
    carriers: dict[str, list[PropertyFacts]] = {}
    for event in facts.events:
        for p in event.properties if not roles.of[event.name].quiet else ():
            if has_few_values(p) and not why_personal(p):
                carriers.setdefault(p.name, []).append(p)
    goals = {p.name for e in facts.events if e.name == roles.conversion for p in e.properties}
    ranked = sorted(carriers, key=lambda name: (name not in goals, -len(carriers[name]), name))
    for name in ranked[:_MOST_PROPERTIES]:
        slug = words.slug_of(name)
        if (len(carriers[name]) > 1 or name in goals) and slug not in found and name.isidentifier():
            found[slug] = (
                f"properties.{name}",
                f"few values, on {len(carriers[name])} kinds of event: {_some(carriers[name][0])}",
            )
    return found


def guess_zone(facts: Facts) -> tuple[str, str]:
    """A zone and what speaks for it. UTC where nothing does."""
    countries = facts.columns.get("country")
    if countries is not None:
        country, events = next(iter(countries.values.items()))
        zone = zone_of_country(country)
        if zone is not None and events >= 0.5 * facts.total:
            return zone, f"{events / facts.total:.0%} of the events are from {country}; days are cut in it: is it yours?"
    return "UTC", "a guess: days are cut in it, so write your own, like Europe/Berlin"


def guess_currency(facts: Facts) -> tuple[str | None, str]:
    """The most frequent currency and what speaks for it; None where events have none."""
    currencies = facts.columns.get("currency")
    if currencies is None:
        return None, ""
    known = {code: n for code, n in currencies.values.items() if len(code) == 3 and code.isalpha() and code.isascii()}
    if not known:
        return None, ""
    main = next(iter(known))
    note = f"{known[main] / currencies.events:.0%} of {counted(currencies.events, 'event')} with a currency"
    others = [f"{code} {n / currencies.events:.1%}" for code, n in known.items() if code != main][:FEW]
    return main.upper(), note + (f"; others need `rates`: {', '.join(others)}" if others else "")


def _some(of: PropertyFacts) -> str:
    shown = list(of.values)[:4]
    return ", ".join(value if len(value) <= 30 else f"{value[:29]}…" for value in shown)
