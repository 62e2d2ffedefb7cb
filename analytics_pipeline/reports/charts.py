"""Charts as static SVG, offline, from Altair specifications. Colours are names that the page's style sheet resolves.

Vega-Lite needs real colours, so each name has a stand-in that is replaced in the finished SVG by a CSS variable: one SVG
serves the light page, the dark page and the printer.
"""

import re
from typing import Any

Row = dict[str, Any]

_STAND_INS = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--grid)",
    "#040404": "var(--accent)",
    "#050505": "var(--band)",
    "#060606": "var(--band-wide)",
    "#070707": "var(--bad)",
}
INK, MUTED, GRID, ACCENT, BAND, BAND_WIDE, BAD = _STAND_INS
_FONT = "system-ui, sans-serif"


def sparkline(values: list[float | None], title: str) -> str:
    """A line without axes, 180 by 36."""
    import altair as alt

    data = alt.Data(values=[{"i": i, "value": v} for i, v in enumerate(values)])
    line = (
        alt.Chart(data)
        .mark_line(strokeWidth=1.6, color=ACCENT, interpolate="monotone")
        .encode(x=alt.X("i:Q", axis=None), y=alt.Y("value:Q", axis=None, scale=alt.Scale(zero=False)))
        .properties(width=180, height=36)
    )
    return _svg(line, f"{title}: the last {len(values)} days")


def forecast_trend(history: list[Row], forecast: list[Row], title: str, unit: str) -> str:
    """History as a line, the forecast dashed, with its 80% and 95% bands."""
    import altair as alt

    style = _format(unit)
    past = alt.Chart(alt.Data(values=history)).encode(
        x=alt.X("day:T", axis=_time_axis()), y=alt.Y("value:Q", axis=_value_axis(style), scale=alt.Scale(zero=False))
    )
    future = alt.Chart(alt.Data(values=forecast)).encode(x="period_date:T")
    layers = [
        future.mark_area(color=BAND_WIDE).encode(y="lower_95:Q", y2="upper_95:Q"),
        future.mark_area(color=BAND).encode(y="lower_80:Q", y2="upper_80:Q"),
        future.mark_line(strokeDash=[5, 3], strokeWidth=1.6, color=ACCENT).encode(y="mean:Q"),
        past.mark_line(strokeWidth=1.8, color=ACCENT),
    ]
    return _svg(alt.layer(*layers).properties(width=520, height=190), f"{title}: history and 30 days of forecast")


def anomaly_chart(history: list[Row], anomaly: Row, title: str, unit: str) -> str:
    """The series around an anomaly, its day marked, with what was expected."""
    import altair as alt

    day = str(anomaly["period_date"])
    line = (
        alt.Chart(alt.Data(values=history))
        .mark_line(strokeWidth=1.8, color=ACCENT)
        .encode(
            x=alt.X("day:T", axis=_time_axis()),
            y=alt.Y("value:Q", axis=_value_axis(_format(unit)), scale=alt.Scale(zero=False)),
        )
    )
    points = alt.Chart(alt.Data(values=[{"day": day, "value": anomaly["value"], "expected": anomaly["expected"]}]))
    gap = points.mark_rule(color=BAD, strokeDash=[3, 3]).encode(x="day:T", y="value:Q", y2="expected:Q")
    actual = points.mark_point(color=BAD, filled=True, size=90, opacity=1).encode(x="day:T", y="value:Q")
    expected = points.mark_point(color=BAD, filled=False, size=90).encode(x="day:T", y="expected:Q")
    return _svg(alt.layer(line, gap, expected, actual).properties(width=520, height=190), f"{title} around {day}")


def _format(unit: str) -> str:
    return ".1~%" if unit == "ratio" else ",.4~f"


def _time_axis() -> Any:
    import altair as alt

    return alt.Axis(title=None, format="%-d %b", tickCount=6, labelColor=MUTED, grid=False, domainColor=GRID, tickColor=GRID)


def _value_axis(style: str) -> Any:
    import altair as alt

    return alt.Axis(title=None, format=style, tickCount=5, labelColor=MUTED, gridColor=GRID, domain=False, ticks=False)


def _svg(chart: Any, description: str) -> str:
    import vl_convert

    specification = chart.configure(background="transparent", font=_FONT).configure_view(stroke=None).to_dict()
    svg: str = vl_convert.vegalite_to_svg(specification)
    for stand_in, name in _STAND_INS.items():
        svg = svg.replace(stand_in, name)
    svg = re.sub(r' (width|height)="[\d.]+"(?=[^>]*viewBox)', "", svg, count=2)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
