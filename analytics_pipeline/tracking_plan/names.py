"""Names of the plans that come with sample events. Imports nothing heavy, so that a command line can ask early."""

import json
from pathlib import Path

from analytics_pipeline.errors import UsageError

DEFAULT_PLAN = "ecommerce"
SAMPLES = (DEFAULT_PLAN, "ride_hailing", "rental", "appointments", "ai_platform")


def require_sample(name: str) -> str:
    """The name. Raises UsageError where no sample has it."""
    if name not in SAMPLES:
        raise UsageError(f"there is no sample plan {name!r}: use one of {', '.join(SAMPLES)}")
    return name


def sample_of(marker: Path) -> str:
    """The plan of the demo home that has this marker; the default where it names none, or there is no marker.

    Raises:
        UsageError: the marker names a sample that does not exist.
    """
    if not marker.exists():
        return DEFAULT_PLAN
    return require_sample(json.loads(marker.read_text()).get("plan", DEFAULT_PLAN))
