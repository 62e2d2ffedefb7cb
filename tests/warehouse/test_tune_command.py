"""`doctor --tune` on a real server, which is asked whether it takes the advice. The rules are in tests/unit/test_tuning.py."""

import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.commands.tune import Advice, advise, as_sql, as_table
from analytics_pipeline.warehouse import embedded
from analytics_pipeline.warehouse.connection import Warehouse, capabilities
from analytics_pipeline.warehouse.machine import Machine
from analytics_pipeline.warehouse.tuning import LEAST_MEMORY, MOST_CORES, MOST_MEMORY, RELATIONS_PER_CHUNK, magnitude

Run = Callable[..., "subprocess.CompletedProcess[str]"]
GB = 2**30
MACHINES = [(LEAST_MEMORY, 1), (2 * GB, 1), (24 * GB, 2), (64 * GB, 16), (256 * GB, 64), (MOST_MEMORY, MOST_CORES)]
ALTERED = "select name, setting from pg_file_settings where sourcefile like '%/postgresql.auto.conf'"
LOCKED = """
select count(distinct l.relation)
from pg_locks as l inner join pg_class as c on c.oid = l.relation
where coalesce(l.pid, pg_backend_pid()) = pg_backend_pid() and c.relnamespace::regnamespace::text in ('raw', '_timescaledb_internal')
    and c.oid <> 'raw.events'::regclass
    and c.oid not in (select indexrelid from pg_index where indrelid = 'raw.events'::regclass)
"""
"""Chunks with their indexes and columnstores, of one query; the server in WebAssembly is one process and shows no pid."""

ALTERS = pytest.mark.only_on("embedded", "it alters the system, and takes all that was altered back")


@pytest.fixture
def unaltered(connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The server is one for many tests: what this one alters is taken back."""
    yield connection
    connection.execute("alter system reset all")
    connection.execute("select pg_reload_conf()")


def psql(warehouse: Warehouse, text: str) -> None:
    program = embedded._binary("psql")
    command = [program, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", warehouse.url]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def advice_for(connection: psycopg.Connection, memory: int, cores: int) -> list[Advice]:
    return advise(connection, Machine(memory, cores, "as given"), capabilities(connection))


@ALTERS
@pytest.mark.parametrize(("memory", "cores"), MACHINES)
def test_the_server_takes_every_line_for_every_machine(
    warehouse: Warehouse, unaltered: psycopg.Connection, memory: int, cores: int
) -> None:
    advice = [Advice(a.suggestion, "unknown", a.restart, "") for a in advice_for(unaltered, memory, cores)]
    text = as_sql("every line", advice)
    assert text.count("\nalter system set ") == len(advice)
    psql(warehouse, text)
    assert dict(unaltered.execute(ALTERED).fetchall()) == {a.suggestion.name: a.suggestion.value for a in advice}


@pytest.mark.parametrize(("memory", "cores"), MACHINES)
def test_every_number_lies_in_the_range_that_the_server_shows(connection: psycopg.Connection, memory: int, cores: int) -> None:
    units = {"8kB": 8192, "kB": 1024, "MB": 1024**2, None: 1}
    for a in advice_for(connection, memory, cores):
        query = "select unit, min_val::float, max_val::float from pg_settings where name = %s"
        unit, least, most = connection.execute(query, (a.suggestion.name,)).fetchone() or ("", 0, 0)
        number = magnitude(a.suggestion.value)
        assert (number is None) == (least is None)
        assert number is None or least <= number / units[unit] <= most, a.suggestion


@ALTERS
def test_after_its_sql_only_restarts_and_the_command_line_of_the_server_are_left(
    warehouse: Warehouse, unaltered: psycopg.Connection, worker_home: Path, run_cli: Run
) -> None:
    done = run_cli(worker_home, "doctor", "--tune", "--memory", "24GB", "--cores", "2", "--format", "sql")
    assert done.returncode == 0, done.stderr
    assert "\n-- alter system set shared_buffers = '6GB';\n" in done.stdout
    psql(warehouse, done.stdout)
    end = time.monotonic() + 10
    due = {"not asked yet"}
    while due - {"max_locks_per_transaction"} and time.monotonic() < end:
        with warehouse.connect(autocommit=True) as connection:
            due = {a.suggestion.name for a in advice_for(connection, 24 * GB, 2) if not a.is_fine and not a.outdone_by}
        time.sleep(0.05)
    assert due == {"max_locks_per_transaction"}
    with warehouse.connect(autocommit=True) as connection:
        (locks,) = [a for a in advice_for(connection, 24 * GB, 2) if a.suggestion.name in due]
    assert (locks.current, locks.restart) == ("64", "yes, pending")


@pytest.mark.only_on("embedded", "in WebAssembly every database is the same one")
def test_a_setting_of_the_database_is_named_as_what_outdoes_alter_system(
    warehouse: Warehouse, connection: psycopg.Connection
) -> None:
    connection.execute("do $$ begin execute format('alter database %I set random_page_cost = 4', current_database()); end $$")
    with warehouse.connect(autocommit=True) as later:
        advice = advice_for(later, 24 * GB, 2)
    (cost,) = [a for a in advice if a.suggestion.name == "random_page_cost"]
    assert (cost.current, cost.outdone_by, cost.restart) == ("4", "alter database", "no")
    assert "Alter database sets random_page_cost" in as_table("", advice, 10_000)


def test_a_role_without_rights_can_ask(connection: psycopg.Connection) -> None:
    with connection.transaction():
        connection.execute("set local role analytics_reader")
        assert len(advice_for(connection, 24 * GB, 2)) >= 20


@pytest.mark.only_on("embedded", "it knows what that one is started with")
@pytest.mark.parametrize("columns", [80, 160])
def test_the_table_shows_all_of_it_on_any_terminal(warehouse: Warehouse, tmp_path: Path, run_cli: Run, columns: int) -> None:
    variables = {"ANALYTICS_DATABASE_URL": warehouse.url, "COLUMNS": str(columns)}
    done = run_cli(tmp_path, "doctor", "--tune", "--memory", "32GB", "--cores", "8", **variables)
    assert done.returncode == 0, done.stderr
    lines, words = done.stdout.splitlines(), " ".join(done.stdout.split())
    assert max(map(len, lines)) <= columns
    assert "settings for 32GB and 8 cores (as given), and SSDs" in words
    assert [line.split()[:5] for line in lines if "shared_buffers " in line] == [["→", "shared_buffers", "256MB", "8GB", "yes"]]
    assert "what is reported as committed is on disk" in words
    assert "The server's command line sets shared_buffers, " in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tune"], ["can't be asked for by SQL", "--memory 32GB --cores 8"]),
        (["--tune", "--memory", "much", "--cores", "8"], ["'much'", "32GB"]),
        (["--memory", "32GB"], ["--tune"]),
        (["--tune", "--memory", "32GB", "--cores", "0"], ["--cores"]),
    ],
)
def test_a_call_that_says_too_little_is_refused_before_anything_is_asked(
    tmp_path: Path, run_cli: Run, arguments: list[str], words: list[str]
) -> None:
    done = run_cli(tmp_path, "doctor", *arguments, ANALYTICS_DATABASE_URL="postgresql://nobody@nowhere.invalid/none")
    assert done.returncode == 2
    assert all(word in done.stderr for word in words), done.stderr


def test_chunks_are_counted_and_a_scan_locks_no_more_of_them_than_the_rule_reckons_with(connection: psycopg.Connection) -> None:
    can, weeks = capabilities(connection), ("2020-01-06", "2020-01-13", "2020-01-20")
    for first, last in pairwise(weeks):
        if can.raw_events == "partitions":
            bounds = f"for values from ('{first}') to ('{last}')"
            connection.execute(f'create table raw."tuned_{first}" partition of raw.events {bounds}')  # type: ignore[arg-type]
        connection.execute(
            """
            insert into raw.events (event_id, event_name, occurred_at, received_at, source, batch_id)
            values (gen_random_uuid(), 'view', %s, now(), 'test', gen_random_uuid())
            """,
            (first,),
        )
    if can.columnstore:
        connection.execute("select compress_chunk(c) from show_chunks('raw.events') as c limit 1")
    (chunks,) = connection.execute("select count(*) from pg_inherits where inhparent = 'raw.events'::regclass").fetchone() or (
        0,
    )
    (locks,) = [a.suggestion for a in advice_for(connection, 24 * GB, 2) if a.suggestion.name == "max_locks_per_transaction"]
    assert chunks >= 2
    assert f"of {chunks} today" in locks.reason
    with connection.transaction():
        connection.execute("select count(*) from raw.events where batch_id is not null")
        (taken,) = connection.execute(LOCKED).fetchone() or (0,)
    assert chunks <= taken <= chunks * RELATIONS_PER_CHUNK
