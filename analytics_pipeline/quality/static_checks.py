"""The checks of our own that Dagster shows as asset checks: known before a run, and independent of the plan."""

from analytics_pipeline.quality.contract_checks import DESCRIPTIONS as CONTRACT
from analytics_pipeline.quality.drift.words import DESCRIPTIONS as DRIFT
from analytics_pipeline.quality.passes import Gate
from analytics_pipeline.quality.results import CheckResult, Severity

SUITE = "suite"
_RULES, _SOURCES = "rules_of_the_plan", "sources_are_fresh"


def own_checks(gate: Gate) -> list[tuple[str, Severity, str]]:
    """Name, severity and description of each."""
    if gate == "build":
        return []
    return [
        *((name, "blocking", text) for name, text in DRIFT.items()),
        *((name, "blocking", text) for name, text in CONTRACT.items()),
        (_RULES, "blocking", "The plan's own rules hold."),
        (_SOURCES, "warning", "No source is behind its deadline."),
    ]


def static_name(result: CheckResult) -> str:
    """The asset check that a result is part of: that of its suite, or of its kind where the plan or what arrives names them."""
    return {"great_expectations": SUITE, "rules": _RULES, "freshness": _SOURCES}.get(result.engine, result.check_name)
