"""The page on plan and reality: one HTML file that needs nothing else, neither a network nor a script."""

from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from analytics_pipeline.reports import numbers
from analytics_pipeline.reports.contract_data import WINDOW_DAYS, Contract, read_contract

PAGE = "contract.html"
_TEMPLATES = Path(__file__).parent / "templates"
_FAULTS = {
    "unknown_event": "not in the plan",
    "unknown_property": "not in the plan",
    "missing": "missing",
    "wrong_type": "wrong type",
    "impossible_value": "impossible value",
}
_HEIGHT, _STEP = 22, 5


def write_contract(connection: psycopg.Connection, folder: Path) -> Path:
    """Write the page of what was counted last. Before the first plan it says so."""
    html = render(read_contract(connection))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PAGE
    partial = path.with_suffix(".part")
    partial.write_text(html, encoding="utf-8")
    partial.replace(path)
    return path


def render(contract: Contract | None) -> str:
    """The page. Pure but for the template's file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["written"] = numbers.written
    environment.filters["day_name"] = numbers.day_name
    environment.filters["share"] = _share
    environment.filters["fault"] = _FAULTS.__getitem__
    environment.filters["bars"] = _bars
    environment.filters["versions"] = _versions
    return environment.get_template("contract.html.jinja").render(c=contract, window=WINDOW_DAYS)


def _share(share: float | None) -> str:
    """Percent; what is not nothing is not 0%, what is not all is not 100%."""
    if share is None:
        return "–"
    if 0 < share < 0.001:
        return "< 0.1%"
    return f"{min(share, 0.999):.1%}" if share < 1 else "100%"


def _versions(versions: list[tuple[str, int]]) -> str:
    """The three with most, and how many more."""
    shown = ", ".join(f"{version} ({events:,})" for version, events in versions[:3])
    return shown + (f" and {len(versions) - 3} more" if len(versions) > 3 else "")


def _bars(history: list[int], days: list[date]) -> Any:
    """A bar for each day, the highest as high as the picture."""
    from markupsafe import Markup

    most = max(history, default=0) or 1
    heights = [max(2, round(_HEIGHT * n / most)) if n else 0 for n in history]
    bars = "".join(
        f'<rect x="{i * _STEP}" y="{_HEIGHT - h}" width="{_STEP - 1}" height="{h}"/>' for i, h in enumerate(heights) if h
    )
    label = f"{sum(history):,} from {days[0]} to {days[-1]}, at most {max(history):,} a day" if days else ""
    width = max(1, len(history)) * _STEP
    return Markup('<svg class="days" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, _HEIGHT, label, Markup(bars)
    )
