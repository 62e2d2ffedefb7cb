"""What dbt docs depend on, so that a rerun knows whether they are up to date."""

import psycopg

from analytics_pipeline.modelling.builds import project_hash
from analytics_pipeline.warehouse.step_state import inputs_hash

DOCS_STEP = "docs/dbt"


def docs_inputs(connection: psycopg.Connection) -> str:
    """The code and the plan."""
    row = connection.execute("select plan_hash from config.plan").fetchone()
    return inputs_hash(project_hash(), row[0] if row else None)
