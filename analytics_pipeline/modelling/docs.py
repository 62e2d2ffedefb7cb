"""What dbt docs depend on, so that a rerun knows whether they are up to date. Writing them is in `docs_page`."""

import psycopg

from analytics_pipeline.modelling.builds import project_hash
from analytics_pipeline.warehouse.step_state import inputs_hash

DOCS_STEP = "docs/dbt"


def docs_inputs(connection: psycopg.Connection) -> str:
    """The code, the plan, and how sources are read."""
    plan = connection.execute("select plan_hash from config.plan").fetchone()
    mappings = connection.execute("select source, mapping_sha256 from raw.mappings_in_use order by source").fetchall()
    return inputs_hash(project_hash(), plan[0] if plan else None, mappings)
