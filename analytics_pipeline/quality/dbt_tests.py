"""What became of dbt's tests, from the files that dbt leaves behind: results as those of any other check.

dbt itself only warns (dbt_project.yml), so that the gate sees all that is wrong with a build at once, and is who blocks.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from analytics_pipeline.quality.masking import MOST_EXAMPLES, mask_of, masked_error
from analytics_pipeline.quality.results import CheckResult, Dimension, Severity

_KINDS: dict[str, Dimension] = {
    "unique": "uniqueness",
    "not_null": "completeness",
    "accepted_values": "validity",
    "relationships": "integrity",
}
_HASH = re.compile(r"\.[0-9a-f]{10}$")


def dbt_test_results(connection: psycopg.Connection, target: Path, since: datetime) -> list[CheckResult]:
    """One result for each test that dbt has run in its last invocation.

    Args:
        connection: where the models are; failing rows are read from it.
        target: dbt's target folder.
        since: when the build began; with its zone. What an earlier invocation left is none of it.
    """
    run, manifest = (_read(target / name) for name in ("run_results.json", "manifest.json"))
    if not run or datetime.fromisoformat(run["metadata"]["generated_at"]) < since:
        return []
    tests = {k: node for k, node in manifest["nodes"].items() if node["resource_type"] == "test"}
    ran = [r for r in run["results"] if r["unique_id"] in tests and r["status"] != "skipped"]
    return [_result(connection, r, tests[r["unique_id"]], manifest["nodes"]) for r in ran]


def _result(
    connection: psycopg.Connection, outcome: dict[str, Any], test: dict[str, Any], nodes: dict[str, Any]
) -> CheckResult:
    meta = test["config"].get("meta") or {}
    passed = outcome["status"] in ("pass", "success")
    details: dict[str, Any] = {"description": test.get("description") or _in_words(test), "expected": {}}
    failed, examples = outcome.get("failures"), []
    if outcome["status"] == "error":
        details["error"] = masked_error(str(outcome.get("message") or ""))
    elif not passed:
        examples = _examples(connection, outcome["compiled_code"])
        details["test"] = test["original_file_path"]
    return CheckResult(
        relation=_relation(test, meta, nodes),
        check_name=re.sub(r"\W", "_", test["name"]),
        severity=_severity(meta),
        passed=passed,
        rows_failed=failed,
        details=details,
        engine="dbt",
        dimension=_dimension(test, meta),
        examples=examples,
    )


def _relation(test: dict[str, Any], meta: dict[str, Any], nodes: dict[str, Any]) -> str:
    """Of a generic test what it is attached to, of a singular one what its properties name, or the last model that it reads."""
    models = [nodes[k] for k in test["depends_on"]["nodes"] if k in nodes]
    named = [m for m in models if m["name"] == meta.get("relation") or m["unique_id"] == test.get("attached_node")]
    model = (named or models)[-1]
    return f"{model['schema']}.{model['name']}"


def _dimension(test: dict[str, Any], meta: dict[str, Any]) -> Dimension:
    kind = (test.get("test_metadata") or {}).get("name", "")
    given: Dimension = meta.get("dimension", "")
    return given if given in get_args(Dimension) else _KINDS.get(kind, "consistency")


def _severity(meta: dict[str, Any]) -> Severity:
    return "warning" if meta.get("severity") == "warning" else "blocking"


def _in_words(test: dict[str, Any]) -> str:
    kind, column = (test.get("test_metadata") or {}).get("name"), test.get("column_name")
    if kind and column:
        return f"dbt: {column} is {kind.replace('_', ' ')}."
    return f"dbt: {_HASH.sub('', test['name']).removeprefix('assert_').replace('_', ' ')}."


def _examples(connection: psycopg.Connection, query: str) -> list[dict[str, Any]]:
    statement = sql.SQL("select * from ({}\n) as found limit {}").format(sql.SQL(query.rstrip().rstrip(";")), MOST_EXAMPLES)
    with connection.cursor(row_factory=dict_row) as cursor:
        return mask_of(connection).rows(cursor.execute(statement).fetchall())


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
