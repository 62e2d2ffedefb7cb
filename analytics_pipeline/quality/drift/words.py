"""Findings in words."""

from analytics_pipeline.quality.drift.statistics import Finding

_SHARES = {
    "ahead": "happened after they were received",
    "late": "were received more than an hour after they happened",
    "whole_seconds": "have a time without parts of a second",
    "whole_minutes": "have a time without seconds",
    "whole_hours": "have a time on the hour",
    "filler": "have an id that says nothing (null, undefined, 0)",
    "test_id": "have an id that looks like a test's",
    "repeated": "say the same in the same second as another one",
    "repeated_content": "say the same as another one of the day",
    "busiest": "are of one person",
}
_LEVELS = {
    ("events_per_person", "mean"): "events of a person",
    ("events_per_person", "p98"): "events of one in fifty persons",
    ("events_per_session", "mean"): "events in a session",
}

FAMILIES = {
    "count": "volume",
    "present": "fields_are_there",
    "share": "odd_events",
    "sign": "signs_of_numbers",
    "category": "values_of_fields",
    "mix": "mix_of_fields",
    "mean": "local_hours",
    "odd_hours": "local_hours",
    "silence": "local_hours",
    "level": "habits",
    "number": "numbers",
    "seen_before": "persons_and_repeated_days",
}
"""Metric to the name of its check."""

DESCRIPTIONS = {
    "volume": "As many events, persons and sessions as on this weekday, for each kind of event.",
    "fields_are_there": "Columns and properties are filled as often as before.",
    "odd_events": "No more repeated, too late, too early, rounded, test and nameless events than before.",
    "signs_of_numbers": "Numbers are below zero, or zero, as often as before.",
    "values_of_fields": "The values of a field have the shares that they had, and small sets of values stay closed.",
    "mix_of_fields": "A field divides as a whole as it did.",
    "local_hours": "Events lie at the local hours at which they lay, and no hour of a usual day is empty.",
    "habits": "Persons and sessions have as many events as before, and properties as many different values.",
    "numbers": "Amounts and numeric properties lie where they lay.",
    "persons_and_repeated_days": "As many persons as usual are known, and the day is not another one once more.",
}


def in_words(finding: Finding) -> str:
    """One line for a person; holds no id."""
    key = finding.key
    kind = f"{key.event_name} " if key.event_name else ""
    if key.metric == "count":
        return f"{finding.day}: {finding.observed:,.0f} {kind}{key.subject}, {finding.expected:,.0f} expected"
    seen, usual = f"{finding.observed:.1%}", f"{finding.expected:.1%} usually"
    if key.metric == "present":
        return f"{finding.day}: {key.subject} is there in {seen} of {kind}events, {usual}"
    if key.metric == "share":
        return f"{finding.day}: {seen} of {kind}events {_SHARES[key.subject]}, {usual}"
    if key.metric == "sign":
        return f"{finding.day}: {key.subject} is {key.value or 'negative'} in {seen} of {kind}events, {usual}"
    if key.metric == "category":
        return f"{finding.day}: {key.subject} is {_shown(key.value)} in {seen} of {kind}events, {usual}"
    if key.metric == "mix":
        return f"{finding.day}: {seen} of {kind}events have another {key.subject} than they would usually have"
    if key.metric == "mean":
        return f"{finding.day}: the mean local hour is {finding.observed:.1f}, {finding.expected:.1f} usually"
    if key.metric == "odd_hours":
        return f"{finding.day}: {seen} of {kind}events happen at hours at which they don't, {usual}"
    if key.metric == "silence":
        return f"{finding.day}: nothing happened in hours on end that have {finding.observed:.0%} of a usual day"
    if key.metric == "seen_before" and key.subject == "persons":
        return f"{finding.day}: {seen} of the persons are known from the two weeks before, {usual}"
    if key.metric == "seen_before":
        return f"{finding.day}: {seen} of the events say what those of one earlier day said, {usual}"
    what = _LEVELS.get((key.subject, key.value), f"{key.value} of {key.subject}")
    of_kind = f" of {key.event_name}" if key.event_name else ""
    return f"{finding.day}: {what}{of_kind} is {finding.observed:,.4g}, {finding.expected:,.4g} usually"


def _shown(value: str) -> str:
    return repr(value) if len(value) <= 60 else repr(value[:57] + "...")
