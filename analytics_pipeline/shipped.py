"""Where the files that are data, not code, lie: beside the package in a checkout, inside it in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The path of `dbt_project`, `expectations` or `dagster.yaml`.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    for candidate in (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"{name} is missing from the installation in {_PACKAGE}: install analytics-pipeline again")
