"""Who hears when something is wrong, and when they want to sleep. Servers that carry the messages are in the settings."""

import re
from datetime import time
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema, model_validator

from analytics_pipeline.tracking_plan.schema.parts import Part

_WRITTEN = r"^([01]?\d|2[0-3]):[0-5]\d$"
_ADDRESS = r'^[^@\s<>,;"]+@[^@\s<>,;"]+$'


def _time_of_day(value: object) -> object:
    """YAML reads a bare 22:00 as 22 * 60, and a bare 07:00 as a text."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return time(*divmod(value, 60))
    hours, _, minutes = value.partition(":") if isinstance(value, str) else ("", "", "")
    if hours.isdigit() and minutes.isdigit() and len(minutes) == 2 and int(hours) < 24 and int(minutes) < 60:
        return time(int(hours), int(minutes))
    if isinstance(value, time):
        return value
    raise ValueError('is not a time of day: write "22:00", from "00:00" to "23:59"')


def _address(value: str) -> str:
    if not re.match(_ADDRESS, value):
        raise ValueError("is not an e-mail address: write name@example.com")
    return value


TimeOfDay = Annotated[
    time,
    BeforeValidator(_time_of_day),
    PlainSerializer(lambda value: f"{value:%H:%M}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _WRITTEN}),
]
Owner = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$")]
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"type": "string", "pattern": _ADDRESS})]


class QuietHours(Part):
    """A part of each day in the plan's timezone, which may cross midnight; what is held goes out when it ends."""

    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")
    hold: Literal["warnings", "all"] = Field("warnings", description="all: critical alerts wait, too.")

    @model_validator(mode="after")
    def _lasts(self) -> "QuietHours":
        if self.start == self.end:
            raise ValueError(f"from and to are both {self.start:%H:%M}: leave quiet_hours out if there are none")
        return self


class Alerts(Part):
    """Who is told."""

    owner: Owner = Field("analytics", description="Of all that has no owner of its own.")
    owners: dict[Owner, Annotated[list[Address], Field(min_length=1)]] = Field(
        {}, description="E-mail addresses of the owners that KPIs and this section name."
    )
    quiet_hours: QuietHours | None = None
