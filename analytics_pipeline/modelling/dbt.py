"""The dbt project and its manifest: where they are, and how the manifest comes to be. Running models is in `assets`."""

import json
import os
import subprocess
import sys
from pathlib import Path

from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.modelling.builds import project_hash
from analytics_pipeline.settings import Settings
from analytics_pipeline.shipped import shipped
from analytics_pipeline.warehouse.connection import configured_warehouse


def dbt_executable() -> str:
    """dbt of this very environment."""
    beside = Path(sys.executable).with_name("dbt")
    return str(beside) if beside.exists() else "dbt"


def dbt_environment(settings: Settings) -> dict[str, str]:
    """Variables that keep dbt's writing inside of the home and its reporting off."""
    return {
        "DBT_TARGET_PATH": str(settings.dbt_target),
        "DBT_LOG_PATH": str(settings.home / "dbt" / "logs"),
        "DBT_PROFILES_DIR": str(shipped("dbt_project")),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
    }


def manifest_path(settings: Settings) -> Path:
    """Where the manifest of this code lies."""
    return settings.home / "dbt" / f"manifest-{project_hash()}.json"


def require_manifest(settings: Settings) -> Path:
    """The manifest, which `prepare_manifest` has made.

    Raises:
        AnalyticsError: it has not been made.
    """
    path = manifest_path(settings)
    if not path.exists():
        raise AnalyticsError(f"{path} is missing: run `analytics-pipeline doctor --prepare` once after installing, or `demo`")
    return path


def column_descriptions(settings: Settings) -> dict[str, dict[str, str]]:
    """What the manifest says of each model's columns: {model: {column: description}}."""
    nodes = json.loads(require_manifest(settings).read_text())["nodes"].values()
    return {
        node["name"]: {name: column["description"] for name, column in node["columns"].items()}
        for node in nodes
        if node["resource_type"] == "model"
    }


def start_manifest(settings: Settings) -> "subprocess.Popen[str] | None":
    """Begin to parse the project where its manifest is missing; a process of its own, which needs no database."""
    if manifest_path(settings).exists():
        return None
    settings.dbt_target.mkdir(parents=True, exist_ok=True)
    command = [dbt_executable(), "parse", "--project-dir", str(shipped("dbt_project")), "--quiet"]
    environment = {**os.environ, **configured_warehouse(settings).environment(), **dbt_environment(settings)}
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish_manifest(settings: Settings, parsing: "subprocess.Popen[str] | None") -> None:
    """Wait for the parser and put the manifest where the code location finds it.

    Raises:
        AnalyticsError: dbt could not read its project.
    """
    if parsing is None:
        return
    output, _ = parsing.communicate()
    made = settings.dbt_target / "manifest.json"
    if parsing.returncode != 0 or not made.exists():
        raise AnalyticsError(f"dbt could not parse its project: {output.strip()[-800:]}")
    target = manifest_path(settings)
    partial = target.with_suffix(".part")
    partial.write_bytes(made.read_bytes())
    partial.replace(target)


def prepare_manifest(settings: Settings) -> None:
    """Make the manifest where it is missing. Raises AnalyticsError."""
    finish_manifest(settings, start_manifest(settings))
