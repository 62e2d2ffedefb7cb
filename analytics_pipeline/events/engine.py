"""The DuckDB that records are judged in."""

import tempfile
from pathlib import Path

import duckdb

_FUNCTIONS = Path(__file__).with_name("normalise_functions.sql").read_text()


def new_engine() -> duckdb.DuckDBPyConnection:
    """A database of its own in memory: views are not temporary, and two mappings must not see each other's.

    One thread, because the server works at the same time; what does not fit into memory goes to disk.
    """
    database = duckdb.connect(config={"memory_limit": "400MB", "threads": 1, "temp_directory": tempfile.gettempdir()})
    database.execute("set timezone = 'UTC'")
    database.execute("set arrow_lossless_conversion = true")
    database.execute(_FUNCTIONS)
    return database
