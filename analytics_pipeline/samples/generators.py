"""Which module makes the sample events of a plan. Nothing is imported before it is asked for."""

from datetime import date
from importlib import import_module
from typing import Any, Final, Protocol, cast
from zoneinfo import ZoneInfo

from analytics_pipeline.tracking_plan.names import require_sample

Event = dict[str, Any]

_MODULES: Final = {"ecommerce": "webshop"}
"""Plans whose module has another name."""


class Generator(Protocol):
    """What such a module offers."""

    DAYS: int
    """Length of the history that a demo begins with."""

    ZONE: ZoneInfo
    """Days are local days of this zone, which is the plan's."""

    def stories(self, first_day: date) -> object:
        """A frozen dataclass: what was planted in the history that begins on this day, and where."""

    def generate(self, first_day: date, days: int) -> list[list[Event]]:
        """The events of each local day from the first on, in order of time, all with the same keys; times in UTC."""


def generator_of(plan: str) -> Generator:
    """The generator of a sample.

    Raises:
        UsageError: there is no sample of this name.
    """
    module = _MODULES.get(require_sample(plan), plan)
    return cast(Generator, import_module(f"analytics_pipeline.samples.{module}"))
