"""How numbers and days are written for people."""

from datetime import date

_COUNTED = {"count", "orders", "persons", "sessions", "events"}
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "INR": "₹", "JPY": "¥"}


def written(value: float | None, unit: str) -> str:
    """A value with its unit: 12,345 · €2,429 · $0.0036 · 67.3% · 33 bookings · 1.61 minutes; an en dash for none."""
    if value is None:
        return "–"
    if unit == "ratio":
        return f"{value:.1%}"
    if unit in _COUNTED:
        return f"{value:,.0f}"
    if len(unit) == 3 and unit.isupper():
        symbol, digits = _SYMBOLS.get(unit, f"{unit} "), 0 if abs(value) >= 1000 else _digits(value, 2)
        return f"{'-' if value < 0 else ''}{symbol}{abs(value):,.{digits}f}"
    digits = 0 if float(value).is_integer() or abs(value) >= 100 else _digits(value, 1 if abs(value) >= 10 else 2)
    return f"{value:,.{digits}f} {unit}"


def _digits(value: float, usual: int) -> int:
    """More of them where the usual ones would show nothing."""
    return 4 if 0 < abs(value) < 0.1 else usual


def change(value: float | None, before: float | None, unit: str) -> str:
    """From before to value: percent, or percentage points for ratios; empty where there is nothing to compare.

    Growth from nothing, or from below it, has no percentage.
    """
    if value is None or before is None:
        return ""
    if unit == "ratio":
        return f"{(value - before) * 100:+.1f} pt"
    if before <= 0:
        return ""
    return f"{value / before - 1:+.1%}"


def day_name(day: date) -> str:
    """Tue 3 Nov 2026."""
    return f"{day:%a} {day.day} {day:%b %Y}"
