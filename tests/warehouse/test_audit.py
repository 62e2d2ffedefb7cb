"""The audit log: its chain, what breaks it, and who writes into it."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from analytics_pipeline.warehouse import audit
from analytics_pipeline.warehouse.audit import BEFORE_THE_FIRST, record, verify
from analytics_pipeline.warehouse.connection import Warehouse


def entries(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("select entry_id, actor, action, subject, details from ops.audit_log order by 1").fetchall()


@pytest.fixture
def five(connection: psycopg.Connection) -> psycopg.Connection:
    """A log of five entries, with what is hard to write down the same way twice."""
    record(connection, "publish plan", "shop", {"n": 1, "b": [1.50, 1e22, -0.0, None, True], "a": {"z": 1, "aa": 2}})
    record(
        connection, "publish plan", 'Ünï"\\\n\t\u0001\u2028 🛒', {"Ü": "\u0000".replace("\0", "·"), "": {}, "12:x,": "3:abc,"}
    )
    record(connection, "a", "bc", {}, actor="someone")
    record(connection, "ab", "c", {"large": 10**40, "small": 1e-300})
    record(connection, "revoke", "batch", {"rows": 3})
    return connection


def tamper(connection: psycopg.Connection, statement: str) -> None:
    """What the owner of the tables can do if they mean to."""
    with connection.transaction():
        for table in ("audit_log", "audit_head"):
            connection.execute(f"alter table ops.{table} disable trigger user")
        connection.execute(statement)
        for table in ("audit_log", "audit_head"):
            connection.execute(f"alter table ops.{table} enable trigger user")


def test_an_empty_log_is_sound(connection: psycopg.Connection) -> None:
    verdict = verify(connection)
    assert (verdict.entries, verdict.newest_hash, verdict.fault) == (0, BEFORE_THE_FIRST, "")
    assert verify(connection, BEFORE_THE_FIRST).fault == ""


def test_entries_are_numbered_chained_and_say_who(five: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_ACTOR", "alice@example.com")
    record(five, "backfill", "days", {})
    rows = entries(five)
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[2][1] == "someone"
    assert rows[5][1] == "alice@example.com as postgres"
    assert rows[0][4] == {"n": 1, "b": [1.50, 1e22, 0.0, None, True], "a": {"z": 1, "aa": 2}}
    links = five.execute("select previous_hash, lag(entry_hash) over (order by entry_id) from ops.audit_log").fetchall()
    assert links[0][0] == BEFORE_THE_FIRST
    assert all(previous == before for previous, before in links[1:])
    verdict = verify(five)
    assert (verdict.entries, verdict.broken_entry, verdict.fault) == (6, None, "")
    assert five.execute("select entry_hash from ops.audit_log where entry_id = 6").fetchone() == (verdict.newest_hash,)


def test_the_hash_does_not_depend_on_the_session(five: psycopg.Connection) -> None:
    five.execute("set timezone = 'Asia/Kathmandu'")
    five.execute("set datestyle = 'German'")
    record(five, "publish plan", "shop", {"at": "now"})
    assert verify(five).fault == ""
    five.execute("set timezone = 'UTC'")
    assert verify(five).fault == ""


@pytest.mark.parametrize(
    "statement",
    [
        "update ops.audit_log set actor = 'nobody' where entry_id = 2",
        "update ops.audit_log set actor = 'nobody' where false",
        "delete from ops.audit_log where entry_id = 5",
        "truncate ops.audit_log",
        "update ops.audit_head set entry_id = 4",
        "delete from ops.audit_head",
        "truncate ops.audit_head",
        "insert into ops.audit_head values (true, 0, '') on conflict do nothing",
        "insert into ops.audit_log select * from ops.audit_log on conflict (entry_id) do update set actor = 'nobody'",
    ],
)
def test_nothing_but_adding_is_possible_also_for_the_owner(five: psycopg.Connection, statement: str) -> None:
    before, verdict = entries(five), verify(five)
    for role in ("origin", "replica"):  # bulk loads and replication turn ordinary triggers off
        if role == "replica" and statement.startswith("update ops.audit_head"):
            continue
        with pytest.raises(psycopg.errors.RestrictViolation, match="can only be added to"), five.transaction():
            five.execute(f"set local session_replication_role = '{role}'")
            five.execute(statement)
    assert entries(five) == before
    assert verify(five) == verdict


def test_an_entry_that_the_caller_numbers_dates_or_hashes_is_numbered_dated_and_hashed_again(five: psycopg.Connection) -> None:
    five.execute("insert into ops.audit_log values (77, '2001-01-01', 'me', 'forge', 'it', '{}', 'abc', 'def')")
    row = five.execute("select entry_id, at > now() - interval '1 minute' from ops.audit_log where action = 'forge'").fetchone()
    assert row == (6, True)
    assert verify(five).fault == ""


@pytest.mark.parametrize(
    ("change", "broken", "fault"),
    [
        ("update ops.audit_log set actor = 'nobody' where entry_id = 2", 2, "was changed"),
        ("update ops.audit_log set at = at + interval '1 microsecond' where entry_id = 1", 1, "was changed"),
        ("update ops.audit_log set details = details || '{\"n\": 2}' where entry_id = 1", 1, "was changed"),
        ("update ops.audit_log set action = 'a' || subject, subject = '' where entry_id = 3", 3, "was changed"),
        ("update ops.audit_log set action = 'a', subject = 'bc' where entry_id = 4", 4, "was changed"),
        ("delete from ops.audit_log where entry_id = 3", 3, "entry 3 is missing"),
        ("delete from ops.audit_log where entry_id = 1", 1, "entry 1 is missing"),
        ("delete from ops.audit_log where entry_id > 3", 4, "the end was cut off"),
        ("truncate ops.audit_log", 1, "the end was cut off"),
        ("update ops.audit_log set entry_id = entry_id + 1 where entry_id = 5", 5, "entry 5 is missing"),
        (
            "update ops.audit_log set actor = 'x', entry_hash = ops.audit_hash(entry_id, at, 'x', action, subject, details, previous_hash) where entry_id = 2",
            3,
            "does not follow",
        ),
        (
            "update ops.audit_log set actor = 'x', entry_hash = ops.audit_hash(entry_id, at, 'x', action, subject, details, previous_hash) where entry_id = 5",
            5,
            "not the one that was written",
        ),
    ],
)
def test_what_was_tampered_with_is_found_and_named(five: psycopg.Connection, change: str, broken: int, fault: str) -> None:
    tamper(five, change)
    verdict = verify(five)
    assert verdict.broken_entry == broken
    assert fault in verdict.fault


def test_a_tail_that_was_cut_off_with_all_traces_is_found_by_whoever_kept_the_hash(five: psycopg.Connection) -> None:
    kept, early = verify(five).newest_hash, "select entry_hash from ops.audit_log where entry_id = 2"
    hash_of_second = five.execute(early).fetchone()[0]  # type: ignore[index]
    tamper(
        five,
        """
        with gone as (delete from ops.audit_log where entry_id > 3)
        update ops.audit_head set entry_id = 3, entry_hash = (select entry_hash from ops.audit_log where entry_id = 3)
        """,
    )
    assert verify(five).fault == ""
    assert verify(five, hash_of_second).fault == ""
    assert "cut off" in verify(five, kept).fault
    record(five, "publish plan", "shop", {})
    assert verify(five).entries == 4
    assert verify(five, kept).broken_entry == 5


@pytest.mark.parametrize(("table", "trigger"), [("audit_log", "append"), ("audit_log", "refuse"), ("audit_head", "refuse")])
def test_a_trigger_that_was_left_off_is_found(five: psycopg.Connection, table: str, trigger: str) -> None:
    five.execute(f"alter table ops.{table} disable trigger {trigger}")
    assert verify(five).fault == f"the trigger {trigger} on ops.{table} is off or gone: entries can be changed"


def test_a_writer_that_is_rolled_back_leaves_no_entry_and_no_gap(five: psycopg.Connection) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), five.transaction():
            record(five, "publish plan", "shop", {})
            raise ZeroDivisionError
    with five.transaction():
        with pytest.raises(ZeroDivisionError), five.transaction():  # a savepoint
            record(five, "publish plan", "shop", {})
            raise ZeroDivisionError
        record(five, "publish plan", "shop", {"kept": True})
    assert [row[0] for row in entries(five)] == [1, 2, 3, 4, 5, 6]
    assert verify(five).fault == ""


@pytest.mark.only_on("embedded", "TimescaleDB in WebAssembly has one backend: nobody writes at the same time")
def test_writers_at_the_same_time_make_one_chain_without_gaps(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    def write(name: str) -> None:
        with warehouse.connect(autocommit=True) as own:
            for n in range(20):
                with own.transaction(force_rollback=n % 5 == 4):
                    record(own, "write", name, {"n": n})

    def look() -> Iterator[str]:
        with warehouse.connect(autocommit=True) as own:
            while any(writer.is_alive() for writer in writers):
                yield verify(own).fault

    writers = [threading.Thread(target=write, args=(f"writer {n}",)) for n in range(8)]
    for writer in writers:
        writer.start()
    faults = set(look())
    for writer in writers:
        writer.join()
    rows = entries(connection)
    assert [row[0] for row in rows] == list(range(1, 8 * 16 + 1))
    for n in range(8):
        own = [row[4]["n"] for row in rows if row[3] == f"writer {n}"]  # type: ignore[index]
        assert own == [i for i in range(20) if i % 5 != 4]
    assert faults <= {""}
    assert verify(connection).entries == 8 * 16


@pytest.mark.only_on("embedded", "TimescaleDB in WebAssembly has one backend: nobody writes at the same time")
def test_a_writer_with_an_older_snapshot_is_told_to_repeat_and_breaks_nothing(
    connection: psycopg.Connection, warehouse: Warehouse
) -> None:
    with warehouse.connect() as own:
        own.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        own.execute("select 1")
        record(connection, "write", "other", {})
        with pytest.raises(psycopg.errors.SerializationFailure):
            record(own, "write", "own", {})
    assert verify(connection).entries == 1


@pytest.mark.only_on("embedded", "one backend has one name")
def test_a_connection_of_a_dagster_run_says_which(warehouse: Warehouse) -> None:
    with warehouse.connect(autocommit=True, application_name=f"{audit.RUN_NAME}0ab1") as own:
        record(own, "write", "x", {})
        assert str(entries(own)[0][1]).endswith("as postgres, dagster run 0ab1")
