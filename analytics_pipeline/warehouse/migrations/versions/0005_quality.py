"""Data quality: gates that hold and release batches, profiles of days, contracts, alerts, and the log of who changed what."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for path in sorted(Path(__file__).with_suffix("").glob("*.sql")):
        op.get_bind().exec_driver_sql(path.read_text().replace("%", "%%"))
