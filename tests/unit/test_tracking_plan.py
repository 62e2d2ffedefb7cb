from pathlib import Path

import pytest

from analytics_pipeline.errors import PlanError
from analytics_pipeline.tracking_plan.compile import CompiledPlan, compile_plan
from analytics_pipeline.tracking_plan.read import plan_path, read_plan
from tests.conftest import PLAN


def compiled(tmp_path: Path, text: str) -> CompiledPlan:
    path = tmp_path / "plan.yml"
    path.write_text(text)
    return compile_plan(read_plan(path), path)


def test_the_shipped_plan_compiles_to_at_least_twelve_kpis() -> None:
    path = plan_path("")
    assert len(compile_plan(read_plan(path), path).tables["kpis"]) >= 12


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("timezone: Europe/Berlin", "timezone: Europe/Atlantis", "timezone: ", ["Europe/Atlantis", "IANA"]),
        ("title: Small", "title: Small\ntitel: x", "titel: ", ["titel", "correct its name"]),
        ("formula: revenue / orders", "formula: revenue / profit", "order_value: ", ["profit", "orders"]),
        ("conversion: buy", "conversion: {where: event_name = = 'buy'}", "conversion: ", ["not an SQL expression"]),
        ("dimensions: [country], forecast", "dimensions: [planet], forecast", "[planet]", ["planet", "country"]),
        ("window: 2d", "window: 2 days", "window: ", ["2 days", "14d"]),
    ],
)
def test_a_mistake_is_reported_with_file_line_value_and_remedy(
    tmp_path: Path, old: str, new: str, at: str, words: list[str]
) -> None:
    assert old in PLAN
    with pytest.raises(PlanError) as caught:
        compiled(tmp_path, PLAN.replace(old, new, 1))
    message = str(caught.value)
    line = next(n for n, text in enumerate(PLAN.replace(old, new, 1).splitlines(), 1) if at in text)
    assert message.startswith(f"{tmp_path}/plan.yml:{line}: "), message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "attack",
    [
        "event_name = 'buy'); drop table raw.events; --",
        "event_name = 'buy' or pg_sleep(10) is null",
        "exists (select 1 from raw.events)",
        "(select count(*) from raw.events) > 0",
        "event_name = current_setting('x')",
        "event_name = 'a' union select 1",
        "value::regclass is null",
        "cast(user_id as regclass) is not null",
        "raw.events.value > 0",
        "event_name ~ 'x'",
    ],
)
def test_no_condition_brings_sql_of_its_own(tmp_path: Path, attack: str) -> None:
    with pytest.raises(PlanError):
        compiled(tmp_path, PLAN.replace("conversion: buy", f'conversion: {{where: "{attack}"}}'))


def test_a_quote_in_a_literal_stays_in_the_literal(tmp_path: Path) -> None:
    plan = compiled(tmp_path, PLAN.replace("conversion: buy", "conversion: {where: \"event_name = 'it''s; --'\"}"))
    assert plan.tables["plan"][0]["conversion_sql"] == "\"event_name\" = 'it''s; --'"


def test_the_hash_changes_with_the_definition_and_only_with_it(tmp_path: Path) -> None:
    def hashes(text: str) -> dict[str, str]:
        return {k["kpi_name"]: k["definition_hash"] for k in compiled(tmp_path, text).tables["kpis"]}

    before = hashes(PLAN)
    retitled = hashes(PLAN.replace("title: Revenue", "title: Turnover"))
    assert retitled == before
    redefined = hashes(PLAN.replace("revenue: {sum: value, where: event_name = 'buy'}", "revenue: {sum: value}"))
    assert {k for k in before if before[k] != redefined[k]} == {"revenue", "order_value"}
