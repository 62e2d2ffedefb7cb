"""The examples in the documentation are valid, and its links lead somewhere. Their answers are not looked at."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_pipeline.insights.questions import QUESTION, AnyQuestion
from analytics_pipeline.tracking_plan.compile import compile_plan
from analytics_pipeline.tracking_plan.read import plan_path, read_plan

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ANALYSES = sorted((DOCS / "analyses").glob("*.md"))
QUESTIONS = sorted((ROOT / "examples" / "questions").glob("*.yml"))
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
SAMPLE = plan_path("ecommerce")
FENCE = re.compile(r"^```yaml (question|plan)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
OF_THE_PLAN = {"funnel": "funnels", "retention": "retentions", "conversion": "conversions"}


def blocks(kind: str) -> Iterator[Any]:
    for page in [DOCS / "tracking-plan.md", DOCS / "contracts.md", *ANALYSES]:
        found = [m for m in FENCE.finditer(page.read_text()) if m[1] == kind]
        for number, match in enumerate(found, 1):
            yield pytest.param(match[2], id=f"{page.stem}-{number}")


def question(text: str) -> AnyQuestion:
    asked = yaml.safe_load(text)
    if "use" in asked:
        named = getattr(read_plan(SAMPLE), OF_THE_PLAN[asked["analysis"]])[asked.pop("use")]
        taken = json.loads(named.model_dump_json(by_alias=True))
        asked = {**{k: v for k, v in taken.items() if k != "dimensions"}, **asked}
    return QUESTION.validate_python(asked)


def wrapped(text: str) -> str:
    """A snippet within the sample's plan, its definitions beside the sample's; a whole plan as it is."""
    snippet = yaml.safe_load(text)
    if "version" in snippet:
        return text
    plan = yaml.safe_load(SAMPLE.read_text())
    for key, value in snippet.items():
        plan[key] = {**plan[key], **value} if isinstance(plan.get(key), dict) and isinstance(value, dict) else value
    return yaml.safe_dump(plan, allow_unicode=True, sort_keys=False)


def heading_ids(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("text", blocks("question"))
def test_a_question_of_the_documentation_is_one(text: str) -> None:
    question(text)


@pytest.mark.parametrize("path", QUESTIONS, ids=lambda p: p.stem)
def test_an_example_question_is_one(path: Path) -> None:
    question(path.read_text())


def test_there_is_an_example_question_for_each_analysis() -> None:
    asked = {yaml.safe_load(path.read_text())["analysis"] for path in QUESTIONS}
    assert asked == set(QUESTION.json_schema(by_alias=True)["discriminator"]["mapping"])


@pytest.mark.parametrize("page", ANALYSES, ids=lambda p: p.stem)
def test_a_page_shows_the_example_files_that_it_names(page: Path) -> None:
    text = page.read_text()
    shown = [m[2] for m in FENCE.finditer(text) if m[1] == "question"]
    for name in re.findall(r"\(\.\./\.\./examples/questions/(\w+\.yml)\)[^\n]*:\n\n```yaml question", text):
        assert (ROOT / "examples" / "questions" / name).read_text() in shown, name


@pytest.mark.parametrize("text", blocks("plan"))
def test_a_snippet_of_a_plan_compiles(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yml"
    path.write_text(wrapped(text))
    compile_plan(read_plan(path), path)


@pytest.mark.parametrize("page", ANALYSES, ids=lambda p: p.stem)
def test_a_page_about_an_analysis_is_in_the_index(page: Path) -> None:
    index = DOCS / "analyses" / "README.md"
    assert page == index or f"({page.name})" in index.read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_relative_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        if anchor and path.suffix == ".md":
            assert anchor in heading_ids(path), link
