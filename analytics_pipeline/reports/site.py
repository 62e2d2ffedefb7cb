"""The report site: an index over the reports that were written."""

from pathlib import Path

_TEMPLATES = Path(__file__).parent / "templates"
_PAGES = {"contract.html": "Plan and reality", "quality/index.html": "Data quality"}
"""Pages beside the reports, which other steps write."""


def write_site(folder: Path) -> Path:
    """Write index.html over the dated reports in the folder, newest first, and the pages beside them."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    reports = sorted((p.name for p in folder.glob("*-????-??-??.html")), reverse=True)
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    html = environment.get_template("site.html.jinja").render(
        reports=reports, pages={place: title for place, title in _PAGES.items() if (folder / place).exists()}
    )
    path = folder / "index.html"
    partial = path.with_suffix(".part")
    partial.write_text(html, encoding="utf-8")
    partial.replace(path)
    return path
