"""What a user meets at the command line before any work is done."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from analytics_pipeline.errors import UsageError
from analytics_pipeline.settings import load_settings

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--plan", "bakery"], ["bakery", "ecommerce"]),
        (["ingest", "nowhere"], ["nowhere", "does not exist"]),
        (["ingest", ".", "--mapping", "telegraph"], ["telegraph", "envelope"]),
        (["run", "--as-of", "2026-01-01"], ["no zone", "2026-01-01T00:00:00+00:00"]),
        (["plan", "check", "nowhere.yml"], ["nowhere.yml", "ecommerce"]),
        (["frobnicate"], ["frobnicate"]),
    ],
)
def test_wrong_usage_names_the_value_and_a_remedy_and_ends_with_two(
    tmp_path: Path, run_cli: Run, arguments: list[str], words: list[str]
) -> None:
    done = run_cli(tmp_path / "home", *arguments)
    assert done.returncode == 2
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_command_of_the_readme(tmp_path: Path, run_cli: Run) -> None:
    listed = run_cli(tmp_path, "--help").stdout
    for command in ("demo", "ingest", "run", "sql", "status", "up", "report", "plan", "quarantine", "doctor"):
        assert f"\n  {command} " in listed


@pytest.mark.parametrize(
    "url",
    [
        "mysql://x/y",
        "postgresql://u:s3%zzcret@h/db",
        "postgresql://u:s3 cret@h/db",
        "postgresql://u:s3c/ret@h/db",
        "postgresql://u:s3c@ret@h/db",
    ],
)
def test_a_database_url_that_cannot_be_read_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ANALYTICS_DATABASE_URL", url)
    with pytest.raises(UsageError, match="postgresql://user:password@host") as caught:
        load_settings()
    assert "s3" not in str(caught.value)
    assert "ret" not in str(caught.value).replace("secret", "")


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANALYTICS_HOME", str(tmp_path))
    monkeypatch.setenv("ANALYTICS_LANDING", "")
    assert load_settings().landing_dir == tmp_path / "landing"
