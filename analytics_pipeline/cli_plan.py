"""The part of the command line on the tracking plan: check, diff, publish, infer, drift. Parse, call one function, print."""

from pathlib import Path

import click


@click.group()
def plan() -> None:
    """The tracking plan."""


@plan.command()
@click.argument("file")
def check(file: str) -> None:
    """Validate a tracking plan; errors name file and line."""
    from analytics_pipeline.commands.plan import check as validate

    click.echo(validate(file))


@plan.command()
@click.argument("file")
def diff(file: str) -> None:
    """Say what publishing FILE would change, and what the next run would compute again."""
    from analytics_pipeline.commands.plan import diff as compare
    from analytics_pipeline.settings import load_settings

    click.echo(compare(load_settings(), file))


@plan.command()
@click.option("--all", "everything", is_flag=True, help="Also what is as planned.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def drift(everything: bool, form: str) -> None:
    """Hold the plan against the events of the last 28 days: what breaks it, what it does not know, what never came."""
    from analytics_pipeline.commands.drift import drift as compare
    from analytics_pipeline.settings import load_settings

    click.echo(compare(load_settings(), form, everything=everything))


@plan.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--mapping", default="envelope", show_default=True, help="Of the files: name of a preset, or a YAML file.")
@click.option("--name", default="", help="Of the product.")
@click.option("--timezone", default="", help="IANA name. [default: a guess by country]")
@click.option("--currency", default="", help="ISO code. [default: the most frequent one]")
@click.option("--output", type=click.Path(path_type=Path), default=None, help="File to write. [default: print it]")
def infer(paths: tuple[Path, ...], mapping: str, name: str, timezone: str, currency: str, output: Path | None) -> None:
    """Guess a first plan from event files, or, without PATHs, from the events of the warehouse."""
    from analytics_pipeline.commands.infer import infer as guess
    from analytics_pipeline.settings import load_settings
    from analytics_pipeline.tracking_plan.infer.draft import Wishes

    click.echo(guess(load_settings(), list(paths), mapping, Wishes(name, timezone, currency), output))


@plan.command("schema")
def plan_schema() -> None:
    """Print the JSON Schema of a tracking plan, for editors."""
    from analytics_pipeline.commands.plan import schema

    click.echo(schema())


@plan.command()
@click.argument("file")
def publish(file: str) -> None:
    """Make a tracking plan the warehouse's."""
    from analytics_pipeline.commands.plan import publish as make
    from analytics_pipeline.settings import load_settings

    click.echo(make(load_settings(), file))
