"""Checks over what breaks the tracking plan: new kinds of violations stop, what was always so is only counted."""

import psycopg

from analytics_pipeline.quality.judgement import Case
from analytics_pipeline.quality.results import CheckResult


def judge(connection: psycopg.Connection, case: Case) -> list[CheckResult]:
    """One result for each kind of violation."""
    return []
