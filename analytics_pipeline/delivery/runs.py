"""Runs that failed are incidents, `run:` and the job's name, until a run has done again what they did not.

It looks at what the newest runs came to, and not at each one's end as it happens: so neither the order in which ends are heard
of nor a daemon that was away makes a difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from analytics_pipeline.warehouse.incidents import close_incident, open_incident

TELLS_ITSELF = "analytics/tells_itself"
"""Tag of runs whose end is told by the command that made them."""
RUN_AGAIN = "Mend the cause and run again; `analytics-pipeline status` says where things stand."
_LONGEST = 2000
_GATE_SPOKE = "select exists (select from ops.alerts where starts_with(incident, 'gate:') and last_seen_at >= %s)"


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended by itself.

    Attributes:
        run_id: Dagster's.
        succeeded: or it failed.
        started_at, ended_at: with their zone.
        assets: that it was to make; None for all of its job.
    """

    run_id: str
    succeeded: bool
    started_at: datetime
    ended_at: datetime
    assets: frozenset[str] | None

    def makes_good(self, assets: frozenset[str] | None) -> bool:
        """Whether this success did all that a failed run was to do."""
        return self.succeeded and (self.assets is None or (assets is not None and assets <= self.assets))


def unmended(runs: Sequence[FinishedRun]) -> FinishedRun | None:
    """The newest failure that no later run made good.

    Args:
        runs: of one job, the newest first.
    """
    failures = ((i, run) for i, run in enumerate(runs) if not run.succeeded)
    return next((run for i, run in failures if not any(later.makes_good(run.assets) for later in runs[:i])), None)


def note_runs(connection: psycopg.Connection, job: str, runs: Sequence[FinishedRun], reason: Callable[[str], str]) -> None:
    """Open the incident of a job whose last failure is not made good, and close it once it is.

    Args:
        connection: in autocommit mode.
        job: its name.
        runs: its last ones, the newest first.
        reason: says of a run's id why it failed.
    """
    incident = f"run:{job}"
    failed = unmended(runs)
    if failed is not None:
        if not _is_known(connection, incident, failed.run_id) and not gate_spoke(connection, failed.started_at):
            open_incident(
                connection,
                incident,
                severity="critical",
                title=f"A run of {job} failed",
                body=told(reason(failed.run_id)),
                details={
                    "run_id": failed.run_id,
                    "assets": sorted(failed.assets) if failed.assets is not None else None,
                    "what_to_do": RUN_AGAIN,
                },
            )
        return
    row = connection.execute(
        "select last_seen_at, details -> 'assets' from ops.alerts where incident = %s and closed_at is null", (incident,)
    ).fetchone()
    if row is None:
        return
    assets = frozenset(row[1]) if row[1] is not None else None
    good = next((run for run in runs if run.ended_at > row[0] and run.makes_good(assets)), None)
    if good is not None:
        close_incident(connection, incident, f"Run {good.run_id} went well.")


def told(error: str) -> str:
    """What may leave the house of an error: not PostgreSQL's details, which show the values of a row, and not pages of it."""
    return "\n".join(line for line in error.splitlines() if not line.lstrip().startswith("DETAIL:"))[:_LONGEST]


def gate_spoke(connection: psycopg.Connection, since: datetime) -> bool:
    """Whether a gate has told why the run failed: then one message is enough."""
    row = connection.execute(_GATE_SPOKE, (since,)).fetchone()
    return bool(row and row[0])


def _is_known(connection: psycopg.Connection, incident: str, run_id: str) -> bool:
    row = connection.execute(
        "select exists (select from ops.alerts where incident = %s and details ->> 'run_id' = %s)", (incident, run_id)
    ).fetchone()
    return bool(row and row[0])
