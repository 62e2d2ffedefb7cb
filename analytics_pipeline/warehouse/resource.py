"""The warehouse as a Dagster resource: open, migrated and locked for one run. Not imported by anything but assets."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import psycopg
from pydantic import PrivateAttr

from analytics_pipeline.settings import Settings, load_settings
from analytics_pipeline.warehouse.audit import RUN_NAME
from analytics_pipeline.warehouse.connection import Warehouse, open_warehouse

_RUN_LOCK = 726_003


class WarehouseResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One run at a time works on a warehouse; a second one waits for the first."""

    _warehouse: Warehouse = PrivateAttr()
    _name: str = PrivateAttr()
    _settings: Settings = PrivateAttr()

    @property
    def settings(self) -> Settings:
        """Of this home."""
        return self._settings

    @property
    def warehouse(self) -> Warehouse:
        """Running and migrated."""
        return self._warehouse

    def connect(self) -> psycopg.Connection:
        """A new connection that commits each statement, under the name of the run; use `transaction()` for more."""
        return self._warehouse.connect(autocommit=True, application_name=self._name)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["WarehouseResource"]:
        self._settings, self._name = load_settings(), f"{RUN_NAME}{context.run_id}"
        with open_warehouse(self._settings) as warehouse, warehouse.connect(autocommit=True) as lock:
            self._warehouse = warehouse
            if lock.execute("select pg_try_advisory_lock(%s)", (_RUN_LOCK,)).fetchone() != (True,):
                if context.log:
                    context.log.info("another run works on this warehouse; waiting until it has ended")
                lock.execute("select pg_advisory_lock(%s)", (_RUN_LOCK,))
            yield self
