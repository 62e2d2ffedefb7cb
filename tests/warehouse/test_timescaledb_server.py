"""The TimescaleDB that the tests run on behaves like a server with several connections, and is the community edition."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.warehouse.connection import Warehouse, capabilities
from tests.conftest import require
from tests.timescaledb.servers import WasmServer

pytestmark = pytest.mark.only_on("timescaledb", "it is the server of the tests that is tested")


@pytest.fixture
def other(warehouse: Warehouse) -> Iterator[psycopg.Connection]:
    with warehouse.connect(autocommit=True) as connection:
        yield connection


def numbers(connection: psycopg.Connection) -> list[int]:
    return [row[0] for row in connection.execute("select n from public.numbers order by n").fetchall()]


@pytest.fixture
def table(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute("create table public.numbers (n integer primary key, note text)")
    return connection


def test_it_is_the_community_edition_and_compresses_chunks(connection: psycopg.Connection) -> None:
    assert capabilities(connection).timescaledb == "community"
    connection.execute("create table public.measured (at timestamptz not null, kind text, n integer)")
    connection.execute("select create_hypertable('public.measured', by_range('at', interval '7 days'))")
    connection.execute("alter table public.measured set (timescaledb.compress, timescaledb.compress_segmentby = 'kind')")
    rows = "select '2026-01-01+00'::timestamptz + interval '1 hour' * g, 'k' || g % 3, g from generate_series(1, 1000) as g"
    connection.execute(f"insert into public.measured {rows}".encode())
    connection.execute("select compress_chunk(c) from show_chunks('public.measured') as c")
    chunks = "select count(*), count(*) filter (where is_compressed) from timescaledb_information.chunks where hypertable_name = 'measured'"
    assert connection.execute(chunks).fetchone() == (6, 6)
    assert connection.execute("select count(*), sum(n) from public.measured").fetchone() == (1000, 500_500)


@pytest.mark.parametrize("form", ["text", "binary"])
def test_copy_brings_back_what_it_took_in(table: psycopg.Connection, form: str) -> None:
    rows = [(n, None if n % 7 == 0 else f"{n} \t\n\\ é") for n in range(50_000)] + [(50_000, "z" * 3_000_000)]
    with table.cursor().copy(f"copy public.numbers from stdin (format {form})".encode()) as copy:
        copy.set_types(["int4", "text"])
        for row in rows:
            copy.write_row(row)
    with table.cursor().copy(f"copy (select * from public.numbers order by n) to stdout (format {form})".encode()) as copy:
        copy.set_types(["int4", "text"])
        assert list(copy.rows()) == rows


def test_a_row_that_copy_refuses_is_named_and_nothing_of_it_stays(table: psycopg.Connection) -> None:
    with pytest.raises(psycopg.DataError) as error, table.cursor().copy("copy public.numbers from stdin") as copy:
        copy.write("1\ta\nx\tb\n")
    assert "line 2" in (error.value.diag.context or "")
    with pytest.raises(InterruptedError), table.cursor().copy("copy public.numbers from stdin") as copy:
        copy.write("1\ta\n")
        raise InterruptedError
    assert numbers(table) == []


def test_a_connection_in_a_transaction_keeps_others_waiting_until_it_ends(
    table: psycopg.Connection, other: psycopg.Connection
) -> None:
    order: list[str] = []

    def write() -> None:
        other.execute("insert into public.numbers values (1) on conflict do nothing")
        order.append("other")

    with table.transaction():
        table.execute("insert into public.numbers values (1)")
        waiting = threading.Thread(target=write)
        waiting.start()
        time.sleep(0.3)
        order.append("first")
    waiting.join()
    assert order == ["first", "other"]
    assert numbers(table) == [1]


def test_who_waits_too_long_for_the_one_backend_is_told(tmp_path: Path) -> None:
    server = WasmServer(require("node", "the tests' server refuses instead of hanging"), tmp_path, patience=0.2)
    try:
        with psycopg.connect(server.url) as first, psycopg.connect(server.url, autocommit=True) as second:
            first.execute("create table numbers (n integer)")
            with pytest.raises(psycopg.errors.LockNotAvailable, match="one backend"):
                second.execute("select 1")
            first.commit()
            assert second.execute("select count(*) from numbers").fetchone() == (0,)
    finally:
        server.stop()


def test_a_transaction_that_has_only_read_keeps_nobody_waiting(
    warehouse: Warehouse, table: psycopg.Connection, other: psycopg.Connection
) -> None:
    with warehouse.connect() as reader:
        assert numbers(reader) == []
        other.execute("insert into public.numbers values (1)")
        assert numbers(reader) == [1]
        reader.execute("insert into public.numbers values (2)")
        reader.rollback()
    assert numbers(table) == [1]


def test_a_cursor_is_read_while_another_transaction_writes(warehouse: Warehouse, table: psycopg.Connection) -> None:
    with table.transaction():
        table.execute("insert into public.numbers values (1)")
        with warehouse.connect() as reader, reader.cursor("payloads") as cursor:
            cursor.execute("select generate_series(1, %s)", (5,))
            assert cursor.fetchmany(2) == [(1,), (2,)]
            with table.transaction():
                table.execute("insert into public.numbers values (2)")
            assert cursor.fetchall() == [(3,), (4,), (5,)]
        with warehouse.connect() as reader, pytest.raises(psycopg.errors.UndefinedTable), reader.cursor("c") as cursor:
            cursor.execute("select * from public.nothing")
    assert numbers(table) == [1, 2]


def test_prepared_statements_of_one_name_belong_to_their_connections(
    connection: psycopg.Connection, other: psycopg.Connection
) -> None:
    for _ in range(2):
        assert connection.execute("select %s::integer + 1", (1,), prepare=True).fetchone() == (2,)
        assert other.execute("select %s::text || '!'", ("a",), prepare=True).fetchone() == ("a!",)
    names = [row[0] for row in connection.execute("select name from pg_prepared_statements").fetchall()]
    assert len(names) == len(set(names))
    connection.execute("deallocate all")
    assert other.execute("select %s::text || '!'", ("b",), prepare=True).fetchone() == ("b!",)


def test_an_error_costs_its_statement_or_its_transaction_and_not_the_connection(table: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        table.execute("select %s / 0", (1,))
    with pytest.raises(psycopg.errors.UniqueViolation), table.transaction():
        table.execute("insert into public.numbers values (1)")
        table.execute("insert into public.numbers values (1)")
    assert numbers(table) == []


def test_what_a_connection_leaves_behind_is_forgotten(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        connection.execute("set timezone to 'Asia/Tokyo'")
        connection.execute("create temporary table kept (n integer)")
        connection.execute("select pg_advisory_lock(17)")
        connection.execute("create table public.numbers (n integer)")
        connection.commit()
        connection.execute("insert into public.numbers values (1)")
        connection.pgconn.finish()
    with warehouse.connect() as connection:
        assert numbers(connection) == []
        assert connection.execute("select to_regclass('kept'), current_setting('timezone')").fetchone() == (None, "UTC")
        assert connection.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone() == (0,)
