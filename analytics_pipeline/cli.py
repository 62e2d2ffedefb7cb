"""The command line: parse, call one function, print. Imports of what a command needs are inside of it."""

import sys
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from analytics_pipeline import errors
from analytics_pipeline.cli_alerts import alerts
from analytics_pipeline.cli_audit import audit
from analytics_pipeline.cli_ingest import ingest, mapping, quarantine
from analytics_pipeline.cli_plan import plan
from analytics_pipeline.cli_quality import quality


class _Time(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time: write 2026-01-31T05:00:00+00:00", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no zone: write {moment.isoformat()}+00:00 if you mean UTC", param, ctx)
        return moment


TIME = _Time()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="analytics-pipeline")
def cli(debug: bool) -> None:
    """Raw events in; KPIs, forecasts, anomalies and reports out."""


@cli.command()
@click.option("--plan", default=None, help="Name of a sample plan; its home is $ANALYTICS_HOME/NAME.")
@click.option("--as-of", type=TIME, default=None, help="Stands for now.")
def demo(plan: str | None, as_of: datetime | None) -> None:
    """Sample events, the whole graph, a report. Rerunning is safe."""
    from analytics_pipeline.commands.demo import demo as run_demo
    from analytics_pipeline.settings import load_settings
    from analytics_pipeline.tracking_plan.names import require_sample, sample_of

    settings = load_settings()
    name = require_sample(plan) if plan else sample_of(settings.sample_marker)
    home = settings.home / name if plan else settings.home
    run_demo(settings.model_copy(update={"home": home, "tracking_plan": name}), as_of)


@cli.command()
@click.option("--select", default=None, help="Assets, in Dagster's selection syntax. [default: what is due]")
@click.option("--as-of", type=TIME, default=None, help="Later events are invisible. [default: now]")
@click.option("--full-refresh", is_flag=True, help="Build all of history again.")
def run(select: str | None, as_of: datetime | None, full_refresh: bool) -> None:
    """Materialise the graph, with progress."""
    from analytics_pipeline.commands.run import run as run_graph
    from analytics_pipeline.settings import load_settings

    run_graph(load_settings(), select, as_of, full_refresh)


@cli.command()
@click.option("--accept", "reason", required=True, help="Why it is right to publish although checks failed; kept for ever.")
def publish(reason: str) -> None:
    """Publish what a gate has blocked: for owners, who take the failed checks upon them."""
    from analytics_pipeline.commands.accept import publish_accepted
    from analytics_pipeline.settings import load_settings

    publish_accepted(load_settings(), reason)


@cli.command()
@click.argument("query")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def sql(query: str, form: str) -> None:
    """Read from marts, kpi, ml, raw and ops with one query."""
    from analytics_pipeline.commands.sql import formatted
    from analytics_pipeline.commands.sql import query as ask
    from analytics_pipeline.settings import load_settings
    from analytics_pipeline.warehouse.connection import open_warehouse

    with open_warehouse(load_settings()) as warehouse:
        click.echo(formatted(*ask(warehouse, query), form))


@cli.command()
@click.argument("kpi")
def explain(kpi: str) -> None:
    """Say what a KPI is, what it is made of, and how fresh it is."""
    from analytics_pipeline.commands.explain import explain as describe
    from analytics_pipeline.settings import load_settings

    click.echo(describe(load_settings(), kpi))


@cli.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--from", "first_day", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Local day. [default: the file's]")
@click.option("--to", "last_day", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Local day, inclusive.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--schema", type=click.Choice(["question", "answer"]), default=None, help="Print the JSON Schema instead.")
def ask(file: Path | None, first_day: datetime | None, last_day: datetime | None, form: str, schema: str | None) -> None:
    """Answer one analysis (a funnel, retention, path, ...) over any range; FILE is YAML or JSON: docs/analyses."""
    from analytics_pipeline.commands import ask as command
    from analytics_pipeline.settings import load_settings

    if schema:
        click.echo(command.schema(schema))
    elif file is None:
        raise click.UsageError("give the FILE of a question, or --schema question to see what one may hold")
    else:
        first, last = (day.date() if day else None for day in (first_day, last_day))
        click.echo(command.ask(load_settings(), file, first, last, form))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(as_json: bool) -> None:
    """What is there, how fresh, what failed, where."""
    import json

    from analytics_pipeline.commands.status import status as read
    from analytics_pipeline.commands.status import written
    from analytics_pipeline.settings import load_settings
    from analytics_pipeline.warehouse.connection import open_warehouse

    settings = load_settings()
    with open_warehouse(settings) as warehouse:
        report = read(settings, warehouse)
    click.echo(json.dumps(report, indent=1) if as_json else written(report))


@cli.command()
@click.option("--port", default=3000, show_default=True, help="Of the Dagster UI.")
@click.option("--site-port", default=3001, show_default=True, help="Of reports and dbt docs.")
def up(port: int, site_port: int) -> None:
    """Dagster UI and daemon, dbt docs, report site, until Ctrl-C."""
    from analytics_pipeline.commands.up import up as serve
    from analytics_pipeline.settings import load_settings

    serve(load_settings(), port, site_port)


@cli.command()
@click.argument("template", type=click.Choice(["executive"]))
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Local day. [default: the last whole one]")
@click.option("--format", "form", type=click.Choice(["html"]), default="html", show_default=True)
def report(template: str, day: datetime | None, form: str) -> None:
    """Write one report now."""
    from analytics_pipeline.commands.report import report as write
    from analytics_pipeline.settings import load_settings

    click.echo(write(load_settings(), day.date() if day else None))


@cli.command()
@click.option("--prepare", is_flag=True, help="Only make the dbt manifest, for instance when an image is built.")
@click.option("--audit-hash", default=None, help="A hash of the audit log that doctor printed earlier: is it still in there?")
@click.option("--tune", "is_tuning", is_flag=True, help="Only say which PostgreSQL settings suit its machine and this work.")
@click.option("--memory", default=None, help="With --tune: that the server may use, such as 32GB. [embedded: this machine's]")
@click.option("--cores", type=click.IntRange(1, 1024), default=None, help="With --tune: likewise.")
@click.option("--format", "form", type=click.Choice(["table", "sql"]), default=None, help="With --tune. [default: table]")
def doctor(
    prepare: bool, audit_hash: str | None, is_tuning: bool, memory: str | None, cores: int | None, form: str | None
) -> None:
    """Check the installation, the connection and the books."""
    from analytics_pipeline.commands.doctor import examine
    from analytics_pipeline.modelling.dbt import prepare_manifest
    from analytics_pipeline.settings import load_settings

    if not is_tuning and (memory or cores or form):
        raise click.UsageError("--memory, --cores and --format belong to --tune")
    settings = load_settings()
    if is_tuning:
        from analytics_pipeline.commands.tune import tune

        click.echo(tune(settings, memory, cores, form or "table"))
        return
    if prepare:
        prepare_manifest(settings)
        return
    findings = list(examine(settings, lambda: prepare_manifest(settings), audit_hash))
    for finding in findings:
        click.echo(f"{'✗' if finding.remedy else '✓'} {finding.what}: {finding.state}")
        if finding.remedy:
            click.echo(f"    {finding.remedy}")
    if any(finding.remedy for finding in findings):
        raise errors.AnalyticsError("something needs mending: see above")


for group in (alerts, ingest, mapping, plan, quarantine, audit, quality):
    cli.add_command(group)


def main() -> None:
    """Entry point: exit code 0 done, 1 the work failed or a gate blocked, 2 wrong usage."""
    warnings.filterwarnings("ignore", module="dagster")
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except errors.AnalyticsError as error:
        if "--debug" in sys.argv:
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(2 if isinstance(error, errors.UsageError) else 1)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        click.echo(
            f"Error: {type(error).__name__}: {error}\nThis is a fault of analytics-pipeline: run again with --debug",
            err=True,
        )
        sys.exit(1)
