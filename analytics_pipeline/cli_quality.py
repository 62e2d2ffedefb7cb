"""The part of the command line on data quality. Parse, call one function, print."""

import click


@click.group()
def quality() -> None:
    """Suites and checks."""


@quality.command("suggest")
@click.argument("table")
def quality_suggest(table: str) -> None:
    """Print a suite for TABLE (schema and name, such as marts.fct_sessions) from what it holds now, to edit."""
    from analytics_pipeline.commands.suggest import suggest
    from analytics_pipeline.settings import load_settings

    click.echo(suggest(load_settings(), table), nl=False)
