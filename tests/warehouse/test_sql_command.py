import json

import pytest

from analytics_pipeline.commands.sql import formatted, query
from analytics_pipeline.errors import UsageError
from analytics_pipeline.warehouse.connection import Warehouse


@pytest.mark.parametrize(
    "attack",
    [
        "commit; create table public.pwned(); select 1",
        "create table public.pwned()",
        "delete from raw.events",
        "copy (select 1) to program 'id'",
        "select pg_read_file('/etc/passwd')",
        "reset role",
        "select 1; select 2",
    ],
)
def test_sql_only_reads(warehouse: Warehouse, attack: str) -> None:
    with pytest.raises(UsageError):
        query(warehouse, attack)
    assert query(warehouse, "select to_regclass('public.pwned')") == (["to_regclass"], [(None,)])


def test_what_is_wrong_with_a_query_is_said(warehouse: Warehouse) -> None:
    with pytest.raises(UsageError, match=r"raw\.evens"):
        query(warehouse, "select * from raw.evens")


def test_the_three_formats_hold_the_same_rows() -> None:
    columns, rows = ["a", "b"], [(1, None), (2, "x,y")]
    assert formatted(columns, rows, "csv") == 'a,b\n1,\n2,"x,y"'
    assert json.loads(formatted(columns, rows, "json")) == [{"a": 1, "b": None}, {"a": 2, "b": "x,y"}]
    assert formatted(columns, rows, "table").splitlines() == ["a  b", "-  ---", "1", "2  x,y", "(2 rows)"]
