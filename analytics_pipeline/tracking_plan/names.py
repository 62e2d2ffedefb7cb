"""Names of the plans that come with sample events. Imports nothing, so that a command line can ask early."""

from analytics_pipeline.errors import UsageError

DEFAULT_PLAN = "ecommerce"
SAMPLES = (DEFAULT_PLAN,)


def require_sample(name: str) -> str:
    """The name. Raises UsageError where no sample has it."""
    if name not in SAMPLES:
        raise UsageError(f"there is no sample plan {name!r}: use one of {', '.join(SAMPLES)}")
    return name
