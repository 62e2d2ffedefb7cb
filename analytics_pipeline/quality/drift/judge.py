"""All comparisons of a day with its history."""

from collections.abc import Callable, Collection
from datetime import date

from analytics_pipeline.quality.drift.clock import hours, odd_hours, silence
from analytics_pipeline.quality.drift.days import counts, mixes, signatures
from analytics_pipeline.quality.drift.fields import categories, shares
from analytics_pipeline.quality.drift.history import History
from analytics_pipeline.quality.drift.numbers import levels, numbers
from analytics_pipeline.quality.drift.statistics import BASELINE_DAYS, LEAST_DAYS, Finding

FAMILIES = (counts, shares, categories, mixes, hours, odd_hours, silence, levels, numbers, signatures)
_REACH = 56


def judge_day(
    history: History, day: date, good: Collection[date], accepted: Collection[date], tolerance: Callable[[date], float]
) -> list[Finding]:
    """What is unusual about a day.

    Args:
        history: with the day and those before it.
        day: that has ended.
        good: days that may serve as the usual.
        accepted: of them those that an owner has accepted as they are: what resembles one of them is no finding.
        tolerance: of a day: 1, or more on an occasion of the plan's calendar.

    Returns:
        Findings; none where fewer than LEAST_DAYS good days lie before the day.
    """
    at = history.days.index(day)
    before = [i for i in range(max(0, at - _REACH), at) if history.days[i] in good][-BASELINE_DAYS:]
    if len(before) < LEAST_DAYS:
        return []
    known = [i for i in before if history.days[i] in accepted]
    found = []
    for family in FAMILIES:
        found += family(history, at, before, known, tolerance(day))
    return found
