"""`mapping check`: what a few lines of a file become under a mapping."""

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.files import read_records
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.events.normalise import Normaliser, Refusal
from analytics_pipeline.events.records import Records

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def check(mapping: str, sample: Path, lines: int) -> str:
    """Read the first records of a file and show the events and refusals that they become. Nothing is loaded.

    Args:
        mapping: name of a preset, or a YAML file.
        sample: an event file.
        lines: how many records to show.

    Raises:
        MappingError: there is no such mapping, or it is none.
        UsageError: there is no such file.
        UnreadableFile: the file is broken as a whole.
    """
    compiled = load_mapping(mapping)
    if not sample.is_file():
        raise UsageError(f"{sample} does not exist: give an event file")
    events: list[dict[str, Any]] = []
    refused: list[Refusal] = []
    with Normaliser(compiled, compiled.name, UUID(int=0), _BEGINNING, datetime.now(UTC)) as normaliser:
        for chunk in islice(read_records(sample, compiled.delimited), 1):
            first = Records(chunk.table.slice(0, lines), 0, chunk.payload_format)
            events, refused = normaliser.events(first)
    if not events and not refused:
        return f"{sample} holds no records."
    parts = [_event(event) for event in events]
    parts += [f"line {r.line_number}: refused, {r.reason_code}: {r.reason}" for r in refused]
    filled = Counter(name for event in events for name, value in event.items() if value not in (None, "{}"))
    empty = [name for name in ("user_id", "anonymous_id", "session_id") if events and not filled[name]]
    notes = [f"No event has a {name}." for name in empty]
    if compiled.name == "envelope" and refused and not events:
        notes.append("The mapping was envelope, this project's own form: name that of your tracker.")
    summary = f"{len(events)} of {len(events) + len(refused)} records become events. Nothing was loaded."
    return "\n\n".join([*parts, "\n".join([*notes, summary])])


def _event(event: dict[str, Any]) -> str:
    shown = {k: v for k, v in event.items() if k not in ("line_number", "batch_id") and v is not None}
    lines = [f"line {event['line_number']}:"]
    return "\n".join(lines + [f"    {name:<13} {_value(value)}" for name, value in shown.items()])


def _value(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(value)
