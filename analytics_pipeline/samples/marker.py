"""The mark of a demo home: which days its sample events span, and what was planted in them."""

import json
from datetime import date, timedelta

from analytics_pipeline.samples import files, webshop
from analytics_pipeline.settings import Settings


def read_marker(settings: Settings) -> tuple[date, date] | None:
    """First and last day of the sample in this home; None where the home is nobody's demo."""
    if not settings.sample_marker.exists():
        return None
    marker = json.loads(settings.sample_marker.read_text())
    return date.fromisoformat(marker["first_day"]), date.fromisoformat(marker["last_day"])


def write_marker(settings: Settings, last_day: date) -> None:
    """Make this home a demo home, or move its last day on; the first day stays for ever."""
    known = read_marker(settings)
    first = known[0] if known else last_day - timedelta(days=webshop.DAYS - 1)
    planted = webshop.stories(first)
    marker = {
        "first_day": str(first),
        "last_day": str(max(last_day, known[1]) if known else last_day),
        "planted": {name: str(value) for name, value in vars(planted).items()},
    }
    settings.home.mkdir(parents=True, exist_ok=True)
    partial = settings.sample_marker.with_suffix(".part")
    partial.write_text(json.dumps(marker, indent=2) + "\n")
    partial.replace(settings.sample_marker)


def missing_days(settings: Settings) -> int:
    """How many days of the sample have no file yet."""
    span = read_marker(settings)
    if span is None:
        return 0
    return sum(not path.exists() for path in files.sample_paths(settings.landing_dir, *span))
