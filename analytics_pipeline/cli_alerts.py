"""The part of the command line on alerts. Parse, call one function, print."""

import click


@click.group()
def alerts() -> None:
    """What is wrong, who has been told, and whether they can be."""


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what is over, up to a hundred.")
def alerts_list(everything: bool) -> None:
    """Open alerts with their owners, and who has been told."""
    from analytics_pipeline.commands.alerts import listing
    from analytics_pipeline.settings import load_settings

    click.echo(listing(load_settings(), everything))


@alerts.command("test")
def alerts_test() -> None:
    """Send a test message through every channel, and say what became of each."""
    from analytics_pipeline.commands.alerts import test
    from analytics_pipeline.settings import load_settings

    test(load_settings())


@alerts.command("retry")
def alerts_retry() -> None:
    """Send again, now, what was given up or waits for its next attempt."""
    from analytics_pipeline.commands.alerts import retry
    from analytics_pipeline.settings import load_settings

    click.echo(retry(load_settings()))
