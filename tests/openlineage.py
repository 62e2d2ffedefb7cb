"""What OpenLineage's specification asks of events and of the facets that are used here, in our words."""

from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

Event = dict[str, Any]

FACET = {
    "type": "object",
    "required": ["_producer", "_schemaURL"],
    "properties": {"_producer": {"format": "uri"}, "_schemaURL": {"format": "uri", "pattern": r"^https://openlineage\.io/spec/facets/"}},
}  # fmt: skip
FACETS: dict[str, Any] = {
    "parent": {"required": ["run", "job"], "properties": {"run": {"required": ["runId"]}, "job": {"required": ["namespace", "name"]}}},
    "errorMessage": {"required": ["message", "programmingLanguage"]},
    "processing_engine": {"required": ["version"]},
    "jobType": {"required": ["processingType", "integration"], "properties": {"processingType": {"enum": ["BATCH", "STREAMING"]}}},
    "documentation": {"required": ["description"]},
    "schema": {"required": ["fields"], "properties": {"fields": {"items": {"required": ["name"]}}}},
    "columnLineage": {
        "required": ["fields"],
        "properties": {
            "fields": {
                "additionalProperties": {
                    "required": ["inputFields"],
                    "properties": {"inputFields": {"items": {"required": ["namespace", "name", "field"]}}},
                }
            }
        },
    },
    "dataQualityAssertions": {
        "required": ["assertions"],
        "properties": {"assertions": {"items": {"required": ["assertion", "success"], "properties": {"success": {"type": "boolean"}}}}},
    },
}  # fmt: skip
KINDS = {
    "run": {"parent", "errorMessage", "processing_engine"},
    "job": {"jobType", "documentation"},
    "dataset": {"schema", "columnLineage", "documentation"},
    "input": {"dataQualityAssertions"},
}


def facets(kind: str) -> dict[str, Any]:
    known = {name: {"allOf": [FACET, FACETS[name]]} for name in KINDS[kind]}
    return {"type": "object", "properties": known, "additionalProperties": False}


def dataset(**more: Any) -> dict[str, Any]:
    named = {"namespace": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1}}
    return {"type": "object", "required": ["namespace", "name"], "properties": {**named, "facets": facets("dataset"), **more}}


SPECIFICATION = {
    "type": "object",
    "required": ["eventType", "eventTime", "run", "job", "producer", "schemaURL", "inputs", "outputs"],
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$"},
        "producer": {"type": "string", "format": "uri"},
        "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "run": {
            "required": ["runId"],
            "properties": {"runId": {"type": "string", "format": "uuid"}, "facets": facets("run")},
        },
        "job": {
            "required": ["namespace", "name"],
            "properties": {"namespace": {"minLength": 1}, "name": {"minLength": 1}, "facets": facets("job")},
        },
        "inputs": {"type": "array", "items": dataset(inputFacets=facets("input"))},
        "outputs": {"type": "array", "items": dataset()},
    },
}  # fmt: skip


def assert_valid(events: list[Event]) -> None:
    checker = Draft202012Validator(SPECIFICATION, format_checker=FormatChecker())
    for event in events:
        problems = [f"{event['job']['name']}: {problem.json_path}: {problem.message}" for problem in checker.iter_errors(event)]
        assert not problems, problems
    states: dict[str, list[str]] = {}
    for event in events:
        states.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert all(s[0] == "START" and s[1] in {"COMPLETE", "FAIL", "ABORT"} and len(s) == 2 for s in states.values()), states
    assert [e["eventTime"] for e in events] == sorted(e["eventTime"] for e in events)
