"""The part of the command line on the audit log. Parse, call one function, print."""

from datetime import UTC, datetime

import click


@click.group()
def audit() -> None:
    """Who or what changed a definition, when, and what was computed again."""


@audit.command("list")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), default=None, help="In UTC. [default: all]")
@click.option("--subject", default=None, help="The beginning of a plan's name, a batch, a build, a table.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def audit_list(since: datetime | None, subject: str | None, form: str) -> None:
    """Entries of the audit log; `doctor` verifies that none was changed."""
    from analytics_pipeline.commands.audit import entries
    from analytics_pipeline.settings import load_settings

    click.echo(entries(load_settings(), since.replace(tzinfo=UTC) if since else None, subject, form))
