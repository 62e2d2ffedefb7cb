"""The one DuckDB of this process: starting another for each file takes longer than a small file."""

import tempfile
from functools import cache
from pathlib import Path

import duckdb

_FUNCTIONS = Path(__file__).with_name("normalise_functions.sql").read_text()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """One thread, because the server works at the same time; what does not fit into memory goes to disk."""
    database = duckdb.connect(config={"memory_limit": "400MB", "threads": 1, "temp_directory": tempfile.gettempdir()})
    database.execute("set global timezone = 'UTC'")
    database.execute("set global arrow_lossless_conversion = true")
    database.execute(_FUNCTIONS)
    return database


def engine() -> duckdb.DuckDBPyConnection:
    """A connection of one's own, with temporary tables and views of its own; the caller closes it."""
    return _database().cursor()
