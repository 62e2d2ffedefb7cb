"""The mark of a demo home: whose sample it holds, which days it spans, and what was planted in them."""

import json
from dataclasses import dataclass
from datetime import date, timedelta

from analytics_pipeline.errors import UsageError
from analytics_pipeline.samples import files
from analytics_pipeline.samples.generators import generator_of
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.names import sample_of


@dataclass(frozen=True)
class Marker:
    """The sample of a home: its plan, its first and its last whole day."""

    plan: str
    first_day: date
    last_day: date


def read_marker(settings: Settings) -> Marker | None:
    """The sample of this home; None where the home is nobody's demo."""
    if not settings.sample_marker.exists():
        return None
    marker = json.loads(settings.sample_marker.read_text())
    first, last = (date.fromisoformat(marker[name]) for name in ("first_day", "last_day"))
    return Marker(sample_of(settings.sample_marker), first, last)


def write_marker(settings: Settings, plan: str, last_day: date) -> None:
    """Make this home a demo home, or move its last day on; the plan and the first day stay for ever.

    Raises:
        UsageError: the home holds the sample of another plan.
    """
    known, generator = read_marker(settings), generator_of(plan)
    if known and known.plan != plan:
        raise UsageError(
            f"{settings.home} holds the sample of {known.plan}, not of {plan}: set ANALYTICS_HOME to another folder"
        )
    first = known.first_day if known else last_day - timedelta(days=generator.DAYS - 1)
    marker = {
        "plan": plan,
        "first_day": str(first),
        "last_day": str(max(last_day, known.last_day) if known else last_day),
        "planted": {name: str(value) for name, value in vars(generator.stories(first)).items()},
    }
    settings.home.mkdir(parents=True, exist_ok=True)
    partial = settings.sample_marker.with_suffix(".part")
    partial.write_text(json.dumps(marker, indent=2) + "\n")
    partial.replace(settings.sample_marker)


def missing_days(settings: Settings) -> int:
    """How many days of the sample have no file yet."""
    marker = read_marker(settings)
    if marker is None:
        return 0
    paths = files.sample_paths(settings.landing_dir, marker.first_day, marker.last_day)
    return sum(not path.exists() for path in paths)
