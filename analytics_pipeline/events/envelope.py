"""The columns of an event and the reasons why one is refused."""

from typing import Final

FIELDS: Final = (
    "event_id",
    "event_name",
    "occurred_at",
    "received_at",
    "user_id",
    "anonymous_id",
    "session_id",
    "entity_type",
    "entity_id",
    "country",
    "region",
    "city",
    "device_type",
    "platform",
    "app_version",
    "value",
    "currency",
    "properties",
)
"""What a mapping can fill."""

LONGEST_TEXT: Final = 1_000
"""Characters of a column's text; longer ones can't be keys of an index."""

LARGEST_RECORD: Final = 16 << 20
"""Bytes of a record that can become an event; larger ones are quarantined whole."""

DEEPEST_NESTING: Final = 1_000
"""Levels of a JSON document."""

REASONS: Final = {
    "invalid_json": "the line is not one JSON object",
    "invalid_utf8": "the line is not UTF-8 text",
    "invalid_csv": "the line does not have the columns of the header",
    "nul_in_text": "a text holds the NUL character, which PostgreSQL can't store",
    "duplicate_key": "the JSON object names a key twice",
    "too_deep": f"the JSON document is nested deeper than {DEEPEST_NESTING:,} levels",
    "too_large": f"the record is larger than {LARGEST_RECORD >> 20} MB",
    "text_too_long": f"a column's text is longer than {LONGEST_TEXT:,} characters",
    "missing_event_name": "no event name",
    "missing_time": "no time of occurrence",
    "invalid_time": "the time of occurrence can't be read",
    "time_without_zone": "the time has no zone, and the mapping states none for this source",
    "before_start": "the time is before the start of the tracking plan",
    "in_future": "the time is more than one day after the receipt",
    "too_late": "the time is before the raw horizon: events of that time have left the warehouse, and its numbers stay",
    "invalid_received_time": "the time of receipt can't be read",
    "invalid_value": "the value is not a number of at most 14 digits before the point",
    "invalid_properties": "the properties are not a JSON object",
    "contract": "the event breaks its contract in the tracking plan",
    "not_storable": "PostgreSQL can't store a part of the record",
}
"""Reason codes of raw.quarantine and what each says to a person."""
