"""Reads a tracking plan from YAML; a mistake is reported with file, line, value and remedy."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from analytics_pipeline.errors import PlanError
from analytics_pipeline.tracking_plan.names import DEFAULT_PLAN
from analytics_pipeline.tracking_plan.schema import TrackingPlan

_PLANS = Path(__file__).parent / "plans"


def plan_path(name_or_path: str) -> Path:
    """The file of a plan that is given by path, or by the name of one that is shipped.

    Raises:
        PlanError: there is none.
    """
    shipped = _PLANS / f"{name_or_path or DEFAULT_PLAN}.yml"
    if shipped.exists():
        return shipped
    path = Path(name_or_path)
    if not path.is_file():
        names = sorted(p.stem for p in _PLANS.glob("*.yml"))
        raise PlanError(f"no tracking plan {name_or_path!r}: give the path of a YAML file or one of {', '.join(names)}")
    return path


def read_plan(path: Path) -> TrackingPlan:
    """Read and validate.

    Raises:
        PlanError: not YAML, or not a plan; one line for each mistake.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: can't be read as UTF-8 text ({error}): give the path of a YAML file") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise PlanError(f"{path}:{line}: not YAML ({getattr(error, 'problem', error)}): correct the line") from None
    try:
        return TrackingPlan.model_validate(document)
    except ValidationError as error:
        raise PlanError("\n".join(_describe(path, root, e) for e in error.errors())) from None


def _describe(path: Path, root: yaml.Node | None, error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    value = "" if error["type"] in {"missing", "extra_forbidden"} else f" {error['input']!r}"
    if isinstance(error["input"], dict):
        value = ""
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "is not a key of a tracking plan here: correct its name or remove it"
    return f"{path}:{_line(root, error['loc'])}: {where or 'plan'}{value}: {message}"


def line_of(path: Path, *loc: str | int) -> int:
    """The line on which a key of the file stands; the nearest parent's where there is no such key."""
    return _line(yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader), loc)


def _line(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    line = node.start_mark.line + 1 if node else 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == part), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line
