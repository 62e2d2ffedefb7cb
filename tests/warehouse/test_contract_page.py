"""The page on plan and reality: what it says is what was counted, and nothing personal."""

import re
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.quality.contracts import count_violations
from analytics_pipeline.reports.contract import write_contract
from analytics_pipeline.reports.contract_data import read_contract
from analytics_pipeline.reports.site import write_site
from tests.conftest import publish_text
from tests.warehouse.test_contracts import DAY, STRICT, event, load, plan_with

pytestmark = pytest.mark.only_on("embedded", "the views that the page reads are compared on both servers by their own tests")


def text_of(path: Path) -> str:
    return " ".join(re.sub(r"<(style|svg).*?</\1>|<[^>]+>", " ", path.read_text(), flags=re.S).split())


@pytest.fixture
def drifted(connection: psycopg.Connection, tmp_path: Path) -> psycopg.Connection:
    """One fault of each kind."""
    publish_text(connection, tmp_path, plan_with(STRICT))
    load(
        connection,
        tmp_path / "a.ndjson",
        event(1, items=1, method="card"),
        event(2, version="1.1", items="2", email="ada@shop.example"),
        event(3, "note", version="1.1", text=5, more="Ada Lovelace"),
        event(4, "veiw", version=None),
    )
    count_violations(connection, [DAY])
    return connection


def test_the_page_shows_each_fault_with_its_versions_and_counts(drifted: psycopg.Connection, tmp_path: Path) -> None:
    page = text_of(write_contract(drifted, tmp_path))
    assert "Small: plan and reality" in page
    assert "order . items wrong type 1 50.0% 1 1.1 (1)" in page
    assert "note . text wrong type 1 100% – 1.1 (1)" in page
    assert "note . more not in the plan 1 100% – 1.1 (1) 2026-03-28 text &#34;xxx xxxxxxxx&#34;" in page
    assert "veiw not in the plan 1 – – (none) (1)" in page
    assert "buy never came" in page
    assert "1.1 1 2 2 2026-03-28 2026-03-28" in page
    assert "Ada" not in page
    assert "shop.example" not in page


def test_counts_of_the_page_are_those_of_the_views(drifted: psycopg.Connection) -> None:
    contract = read_contract(drifted)
    assert contract is not None
    assert (contract.events, contract.refused, contract.days[-1], len(contract.days)) == (3, 1, DAY, 28)
    assert [(f["event_name"], f["property"], f["history"][-1]) for f in contract.faults] == [
        ("note", "text", 1),
        ("order", "email", 1),
        ("order", "items", 1),
    ]
    assert [e["event_name"] for e in contract.planned] == ["note", "order", "buy", "ping", "view"]
    assert not contract.is_kept


def test_a_plan_that_is_kept_says_so(connection: psycopg.Connection, tmp_path: Path) -> None:
    publish_text(connection, tmp_path, plan_with(STRICT))
    load(connection, tmp_path / "a.ndjson", event(1, items=1))
    count_violations(connection, [DAY])
    page = text_of(write_contract(connection, tmp_path))
    assert "Every event that the plan describes is as it says" in page
    assert "The plan knows every event and property that came" in page


def test_the_page_is_there_before_the_first_plan_and_the_first_count(connection: psycopg.Connection, tmp_path: Path) -> None:
    assert "plan infer" in text_of(write_contract(connection, tmp_path))
    publish_text(connection, tmp_path)
    assert "Nothing was counted yet" in text_of(write_contract(connection, tmp_path))


def test_the_site_links_the_page(connection: psycopg.Connection, tmp_path: Path) -> None:
    assert "contract.html" not in write_site(tmp_path).read_text()
    write_contract(connection, tmp_path)
    assert '<a href="contract.html">Plan and reality</a>' in write_site(tmp_path).read_text()


def test_the_page_needs_no_network_and_no_script(drifted: psycopg.Connection, tmp_path: Path) -> None:
    html = write_contract(drifted, tmp_path).read_text()
    assert "<script" not in html
    assert not re.search(r"(src|href)=\"(?!data:)[^\"]*//", html)
    assert "url(" not in html
