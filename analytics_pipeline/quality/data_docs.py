"""Data Docs: a page for each suite and an index, from what became of its checks. Who validates is in `validation`.

Great Expectations renders the pages; the frame around them is ours, because its own fetches styles and scripts from servers
on the internet. Pages are made of check results alone, in which personal fields are masked already.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analytics_pipeline.quality.results import CheckResult
from analytics_pipeline.quality.suites import Gate, Suite, read_suites
from analytics_pipeline.quality.validation import to_gx

_PAGES = Path(__file__).parent / "data_docs_pages"
_STATE = "suites.json"


def build_data_docs(
    folder: Path, gate: Gate, results: list[CheckResult], at: datetime, suites: list[Suite] | None = None
) -> Path:
    """Write the pages of a gate's suites over those of its last validation, and the index over both gates.

    Args:
        folder: of the site, such as $ANALYTICS_HOME/reports/quality.
        gate: whose results these are; pages of the other gate stay.
        results: of Great Expectations; others are left out.
        at: when it was validated; with its zone.
        suites: others than the shipped ones.

    Returns:
        The index page.
    """
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    folder.mkdir(parents=True, exist_ok=True)
    suites = read_suites(gate) if suites is None else suites
    view = DefaultJinjaPageView(custom_views_directory=str(_PAGES))
    renderer = ValidationResultsPageRenderer(run_info_at_end=True)
    kept = {k: s for k, s in _read(folder / _STATE).items() if s["gate"] != gate}
    for suite in suites:
        of_suite = {r.check_name: r for r in results if r.relation == suite.relation and r.engine == "great_expectations"}
        if of_suite:
            summary = kept[suite.relation] = _summary(suite, list(of_suite.values()), at)
            document = renderer.render(_as_validated(suite, of_suite, at)).to_json_dict()
            failed = sorted((r for r in of_suite.values() if not r.passed), key=lambda r: r.severity)
            frame = {
                "suite": suite,
                "summary": summary,
                "failed": failed,
                "queries": {e.name: e.sql for e in suite.expectations},
            }
            document["sections"] = document["sections"][1:]  # the first is a header of its own
            _write(folder / summary["page"], view.env.get_template("suite.html").render({**document}, **frame))
    _write(folder / _STATE, json.dumps(kept, indent=1))
    for page in set(folder.glob("*.html")) - {folder / s["page"] for s in kept.values()}:
        page.unlink()
    summaries = sorted(kept.values(), key=lambda s: (s["state"] != "bad", s["state"] != "warn", s["relation"]))
    _write(folder / "index.html", view.env.get_template("index.html").render(summaries=summaries))
    return folder / "index.html"


def _summary(suite: Suite, results: list[CheckResult], at: datetime) -> dict[str, Any]:
    failed = [r for r in results if not r.passed]
    return {
        "relation": suite.relation,
        "gate": suite.gate,
        "page": f"{suite.relation}.html",
        "checks": len(results),
        "passed": len(results) - len(failed),
        "blocking": sum(r.severity == "blocking" for r in failed),
        "state": "bad" if any(r.severity == "blocking" for r in failed) else "warn" if failed else "good",
        "failed": [str(r.details["description"]) for r in failed],
        "rows": f"{max((r.rows_checked or 0 for r in results), default=0):,}",
        "at": at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
    }


def _as_validated(suite: Suite, results: dict[str, CheckResult], at: datetime) -> Any:
    """The results as Great Expectations would have given them, for its renderers."""
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.core.run_identifier import RunIdentifier

    validated = [
        ExpectationValidationResult(
            success=results[e.name].passed,
            expectation_config=to_gx(suite, e, i).configuration,
            result=_numbers(results[e.name]),
        )
        for i, e in enumerate(suite.expectations)
        if e.name in results
    ]
    passed = sum(v.success for v in validated)
    return ExpectationSuiteValidationResult(
        success=passed == len(validated),
        results=validated,
        suite_name=suite.relation,
        statistics={
            "evaluated_expectations": len(validated),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(validated) - passed,
            "success_percent": 100 * passed / len(validated),
        },
        meta={"run_id": RunIdentifier(run_name=suite.gate, run_time=at), "batch_spec": {"data_asset_name": suite.relation}},
    )


def _numbers(result: CheckResult) -> dict[str, Any]:
    rows, failed = result.rows_checked or 0, result.rows_failed or 0
    return {
        "element_count": rows,
        "unexpected_count": failed,
        "unexpected_percent": 100 * failed / rows if rows else 0,
        "observed_value": result.details.get("observed", failed),
    }


def _read(path: Path) -> dict[str, dict[str, Any]]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
