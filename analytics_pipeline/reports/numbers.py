"""How numbers and days are written for people."""

from datetime import date

_COUNTED = {"count", "orders", "persons", "sessions", "events"}
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def written(value: float | None, unit: str) -> str:
    """A value with its unit: 12,345 · €2,429 · 67.3% · 1.61 minutes; an en dash for none."""
    if value is None:
        return "–"
    if unit == "ratio":
        return f"{value:.1%}"
    if unit in _COUNTED:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 1000 else 2
    if len(unit) == 3 and unit.isupper():
        symbol = _SYMBOLS.get(unit, f"{unit} ")
        return f"{'-' if value < 0 else ''}{symbol}{abs(value):,.{digits}f}"
    return f"{value:,.{digits}f} {unit}"


def change(value: float | None, before: float | None, unit: str) -> str:
    """From before to value: percent, or percentage points for ratios; empty where there is nothing to compare."""
    if value is None or before is None:
        return ""
    if unit == "ratio":
        return f"{(value - before) * 100:+.1f} pt"
    if before == 0:
        return ""
    return f"{value / before - 1:+.1%}"


def day_name(day: date) -> str:
    """Tue 3 Nov 2026."""
    return f"{day:%a} {day.day} {day:%b %Y}"
