"""The executive report: one HTML file that needs nothing else, neither a network nor a script."""

import hashlib
from datetime import date
from pathlib import Path

import psycopg

from analytics_pipeline.reports import charts, numbers
from analytics_pipeline.reports.executive_data import FUNNEL_DAYS, Executive, read_executive

TEMPLATE = "executive"
_TEMPLATES = Path(__file__).parent / "templates"


def write_executive(connection: psycopg.Connection, folder: Path, day: date | None = None) -> Path | None:
    """Write the report of a day (default: the last whole one) and note it in ops.report_executions.

    Returns:
        The file; None when nothing is published yet.
    """
    data = read_executive(connection, day)
    if data is None:
        return None
    html = render(data)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{TEMPLATE}-{data.day}.html"
    for target in (path, folder / f"{TEMPLATE}.html"):
        partial = target.with_suffix(".part")
        partial.write_text(html, encoding="utf-8")
        partial.replace(target)
    connection.execute(
        """
        insert into ops.report_executions (template, format, build_id, report_date, inputs_hash, path, bytes)
        values (%s, 'html', %s, %s, %s, %s, %s)
        """,
        (TEMPLATE, data.build_id, data.day, hashlib.sha256(html.encode()).hexdigest(), str(path), len(html.encode())),
    )
    return path


def render(data: Executive) -> str:
    """The page. Pure but for the template's file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["written"] = numbers.written
    environment.filters["day_name"] = lambda d: numbers.day_name(date.fromisoformat(str(d)))
    environment.filters["duration"] = _duration
    environment.filters["span"] = _span
    environment.filters["status_name"] = _status_name
    environment.globals["change"] = numbers.change
    return environment.get_template(f"{TEMPLATE}.html.jinja").render(
        d=data,
        funnel_days=FUNNEL_DAYS,
        sparklines={k["kpi_name"]: Markup(charts.sparkline(k["history"], k["title"])) for k in data.headlines},
        trends={
            f["kpi_name"]: Markup(charts.forecast_trend(f["history"], f["forecast"], f["title"], f["unit"]))
            for f in data.forecasts
        },
        anomaly_charts=[Markup(charts.anomaly_chart(a["history"], a, a["title"], a["unit"])) for a in data.anomalies[:2]],
    )


def _span(seconds: int) -> str:
    """A window as a plan writes it: 14 days, 1 hour, 10 minutes."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            return f"{seconds // size} {name}{'' if seconds == size else 's'}"
    return ""


def _status_name(status: str | None, direction: str) -> str:
    """In words; what ought to be low misses its target above it."""
    if status == "below_target" and direction == "down":
        return "above target"
    return (status or "no_data").replace("_", " ")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"
