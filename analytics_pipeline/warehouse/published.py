"""Which build readers see."""

import uuid

import psycopg

from analytics_pipeline.errors import AnalyticsError


def published_build_id(connection: psycopg.Connection) -> uuid.UUID:
    """The last build that was published.

    Raises:
        AnalyticsError: there is none yet.
    """
    row = connection.execute("select build_id from ops.published_build").fetchone()
    if row is None:
        raise AnalyticsError("nothing is published yet: run `analytics-pipeline run` first")
    return uuid.UUID(str(row[0]))
