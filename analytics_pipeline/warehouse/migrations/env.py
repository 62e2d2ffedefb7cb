"""How Alembic reaches the warehouse: one connection, one transaction, the version table in `ops`."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

setting = context.config.attributes.get("timescaledb", "auto")
url = context.config.attributes["url"].replace("postgresql://", "postgresql+psycopg2://", 1)
with create_engine(url, poolclass=NullPool).connect() as connection:
    connection.execute(text("create schema if not exists ops"))
    connection.execute(text("create schema if not exists dagster"))
    connection.commit()
    connection.execute(text("select set_config('analytics.timescaledb', :setting, false)"), {"setting": setting})
    connection.commit()
    context.configure(connection=connection, version_table="alembic_version", version_table_schema="ops")
    with context.begin_transaction():
        context.run_migrations()
