"""The files that install and run the project."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_uv_and_pip_pin_the_same_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["uv"]["constraint-dependencies"] == (ROOT / "constraints.txt").read_text().split("\n")[:-1]


def test_every_pin_is_exact_and_none_holds_an_address() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.match(r"^[a-z0-9._-]+==[^ ]+( ; .*)?$", line), line


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for requirement in project["project"]["dependencies"] + project["dependency-groups"]["dev"]:
        name = re.split(r"[\[<>=~ ]", requirement)[0].lower()
        assert name in pinned, name


def test_no_module_of_the_package_is_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / "analytics_pipeline").rglob("*.py")}
    assert {path.name: n for path, n in lengths.items() if n > 300} == {}
