"""`publish --accept`: an owner takes upon them what a gate has blocked, and the run goes on."""

import time

import psycopg

from analytics_pipeline.commands.alerts import telling
from analytics_pipeline.commands.run import run_due
from analytics_pipeline.commands.terminal import Steps, say
from analytics_pipeline.errors import UsageError
from analytics_pipeline.quality.acceptance import Accepted, accept
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse


def publish_accepted(settings: Settings, reason: str) -> None:
    """Accept what blocks, and run what is due.

    Args:
        settings: of the home.
        reason: that readers and the audit log are told.

    Raises:
        UsageError: nothing is blocked, or the reason is empty.
        AnalyticsError: another check blocks.
    """
    began = time.monotonic()
    with open_warehouse(settings, say) as warehouse:
        with warehouse.connect(autocommit=True) as connection:
            accepted = _accept(connection, reason)
        say(f"Accepted, and noted in the audit log: {accepted.reason}")
        if accepted.batches:
            say(f"{accepted.batches} held batch{'es' if accepted.batches > 1 else ''} released.")
        with telling(settings, warehouse, is_whole=True):
            run_due(settings, warehouse, Steps())
    say(f"Done in {time.monotonic() - began:.1f} s.")


def _accept(connection: psycopg.Connection, reason: str) -> Accepted:
    if not reason.strip():
        raise UsageError("--accept needs a reason, which readers and the audit log are told: --accept 'the strike was real'")
    return accept(connection, reason.strip())
