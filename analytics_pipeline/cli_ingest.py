"""The part of the command line on loading: ingest, mapping, quarantine. Parse, call one function, print."""

from pathlib import Path
from typing import Any

import click


class _PathsOrCommand(click.Group):
    """A group whose arguments are paths when they are no command of it."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        known = args[0] in self.commands and not Path(args[0]).exists()
        return super().resolve_command(ctx, args if known else ["files", *args])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        wanted = args and (args[0] in self.commands or args[0] in ("-h", "--help"))
        return super().parse_args(ctx, args if wanted or not args else ["files", *args])


@click.group(cls=_PathsOrCommand, options_metavar="", subcommand_metavar="PATH... [--mapping NAME|FILE] [--source NAME]")
def ingest() -> None:
    """Load event files now: `ingest PATH...`; or a source, or take a load back."""


@ingest.command("files")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--mapping", default="envelope", show_default=True, help="Name of a preset, or a YAML file.")
@click.option("--source", default=None, help="Name that the events carry. [default: the mapping's name]")
def ingest_files(paths: tuple[Path, ...], mapping: str, source: str | None) -> None:
    """Load event files; the word `files` can be left out."""
    from analytics_pipeline.commands.ingest import ingest as load
    from analytics_pipeline.settings import load_settings

    load(load_settings(), list(paths), mapping, source)


@ingest.command("source")
@click.argument("name")
def ingest_source(name: str) -> None:
    """Load what waits in a source of sources.yml."""
    from analytics_pipeline.commands.ingest import ingest_source as load
    from analytics_pipeline.settings import load_settings

    load(load_settings(), name)


@ingest.command("revoke")
@click.argument("batch")
def ingest_revoke(batch: str) -> None:
    """Take a load back, with everything computed from it."""
    from analytics_pipeline.commands.ingest import revoke
    from analytics_pipeline.settings import load_settings

    click.echo(revoke(load_settings(), batch))


@click.group()
def mapping() -> None:
    """How records become events."""


@mapping.command("check")
@click.argument("mapping_file", metavar="FILE")
@click.argument("sample", type=click.Path(path_type=Path))
@click.option("--lines", default=5, show_default=True, help="Records to show.")
def mapping_check(mapping_file: str, sample: Path, lines: int) -> None:
    """Show what a few records of SAMPLE become under mapping FILE (or the name of a preset). Loads nothing."""
    from analytics_pipeline.commands.mapping import check

    click.echo(check(mapping_file, sample, lines))


@click.group()
def quarantine() -> None:
    """What was refused, and why."""


@quarantine.command("list")
def quarantine_list() -> None:
    """Reasons with their number and examples; personal values are masked."""
    from analytics_pipeline.commands.quarantine import listing
    from analytics_pipeline.settings import load_settings

    click.echo(listing(load_settings()))


@quarantine.command("replay")
@click.option("--mapping", default="envelope", show_default=True, help="Name of a preset, or a YAML file.")
@click.option("--source", default=None, help="Whose records. [default: the mapping's name]")
@click.option("--reason", default=None, help="Only records with this reason code.")
def quarantine_replay(mapping: str, source: str | None, reason: str | None) -> None:
    """Load refused records again after a fix of the mapping or the plan."""
    from analytics_pipeline.commands.quarantine import replay
    from analytics_pipeline.settings import load_settings

    replay(load_settings(), mapping, source, reason)
