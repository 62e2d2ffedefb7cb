"""The published JSON Schemas are those of the code, and they judge as the code does."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from analytics_pipeline.commands import ask, plan
from analytics_pipeline.tracking_plan.names import SAMPLES
from analytics_pipeline.tracking_plan.read import plan_path


class _AsEditorsRead(yaml.SafeLoader):
    """Dates stay texts, as in JSON."""


_AsEditorsRead.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def document_of(name: str) -> Any:
    return yaml.load(plan_path(name).read_text(), Loader=_AsEditorsRead)


SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tracking-plan", plan.schema()),
        ("ask-question", ask.schema("question")),
        ("ask-answer", ask.schema("answer")),
    ],
)
def test_a_published_schema_is_that_of_the_code(name: str, text: str) -> None:
    assert json.loads((SCHEMAS / f"{name}.schema.json").read_text()) == json.loads(text)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_editor_accepts_every_shipped_plan(name: str) -> None:
    jsonschema.validate(document_of(name), json.loads(plan.schema()))


@pytest.mark.parametrize(
    "change",
    [
        {"timezone": 5},
        {"week_start": "friday"},
        {"funnels": {"f": {"steps": ["one"]}}},
        {"funnels": {"f": {"steps": ["one", {"event": "two", "were": "x"}]}}},
        {"session_timeout": "half an hour"},
        {"kpis": {"k": {"formula": "x"}}},
    ],
)
def test_an_editor_marks_a_mistake(change: dict[str, Any]) -> None:
    document = document_of("")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, **change}, json.loads(plan.schema()))
