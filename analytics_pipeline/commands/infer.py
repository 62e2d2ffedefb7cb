"""`plan infer`: a first tracking plan from event files, or from the events of the warehouse."""

import re
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import available_timezones

import duckdb
import psycopg

from analytics_pipeline.commands.terminal import live
from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.files import read_records
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.events.normalise import Normaliser
from analytics_pipeline.ingest.known_files import event_files
from analytics_pipeline.settings import Settings
from analytics_pipeline.tracking_plan.compile import compile_plan
from analytics_pipeline.tracking_plan.infer.counting import count, new_table
from analytics_pipeline.tracking_plan.infer.draft import Wishes, draft_plan
from analytics_pipeline.tracking_plan.read import read_plan
from analytics_pipeline.warehouse.connection import open_warehouse

MOST_EVENTS = 1_000_000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_LINE = 64 << 20
_INSERT = """
insert into events
select event_name, occurred_at, user_id, anonymous_id, session_id, country, region, city, device_type, platform, app_version,
    value, currency, properties
from chunk
"""
_IMPORT = """
insert into events
select * from read_csv($path, header = false, all_varchar = true, delim = ',', quote = '"', max_line_size = $longest)
"""
_NEWEST_DAYS = """
select min(day) from (
    select date_trunc('day', occurred_at, 'UTC') as day,
        sum(count(*)) over (order by date_trunc('day', occurred_at, 'UTC') desc) as events
    from raw.events group by 1
) as days
where events <= %s
"""
_EXPORT = """
copy (
    select event_name, occurred_at, user_id, anonymous_id, session_id, country, region, city, device_type, platform,
        app_version, value, currency, properties
    from raw.events where occurred_at >= %s limit %s
) to stdout (format csv)
"""


def infer(settings: Settings, paths: list[Path], mapping: str, wishes: Wishes, output: Path | None) -> str:
    """Write a plan to a file, and say so; or give its text.

    Args:
        settings: of the home; the warehouse is opened only where there are no paths.
        paths: event files, or folders of them.
        mapping: name of a preset, or a YAML file; for files.
        wishes: what is not to be guessed.
        output: where to; None: the text is given back.

    Raises:
        UsageError: there are no events, a wish can't be used, or the file is there already.
        UnreadableFile: a file is broken as a whole.
    """
    _check(wishes, output)
    with tempfile.TemporaryDirectory(prefix="analytics-infer-") as folder:
        with closing(duckdb.connect(config={"memory_limit": "1GB", "temp_directory": folder})) as database:
            new_table(database)
            with live("reading events"):
                read = _read_files(database, paths, mapping) if paths else _read_warehouse(database, settings, Path(folder))
            with live("counting them"):
                text = draft_plan(count(database), wishes, read)
        draft = Path(folder) / "plan.yml"
        draft.write_text(text, encoding="utf-8")
        compile_plan(read_plan(draft), draft)
    if output is None:
        return text.removesuffix("\n")
    output.write_text(text, encoding="utf-8")
    return f"{output} is a first plan, guessed from {read}: correct it, then `analytics-pipeline plan check {output}`"


def _check(wishes: Wishes, output: Path | None) -> None:
    if wishes.timezone and wishes.timezone not in available_timezones():
        raise UsageError(f"--timezone {wishes.timezone!r} is not an IANA time zone: write one like Europe/Berlin or UTC")
    if wishes.currency and not re.fullmatch("[A-Z]{3}", wishes.currency):
        raise UsageError(f"--currency {wishes.currency!r} is not an ISO 4217 code: write one like EUR")
    if output is not None and output.exists():
        raise UsageError(f"{output} is there already: name another file, or remove it")
    if output is not None and not output.parent.is_dir():
        raise UsageError(f"{output.parent} is no folder: make it, or name another file")


def _read_files(database: duckdb.DuckDBPyConnection, paths: list[Path], mapping: str) -> str:
    """As many records from the beginning of each file, where they are very many."""
    compiled, files = load_mapping(mapping), event_files(paths)
    read = 0
    with Normaliser(compiled, compiled.name, UUID(int=0), _BEGINNING, datetime.now(UTC)) as normaliser:
        for file in files:
            left = max(1, MOST_EVENTS // len(files))
            for records in read_records(file, compiled.delimited):
                database.register("chunk", normaliser.table(records))
                database.execute(_INSERT)
                read, left = read + len(records), left - len(records)
                if left <= 0:
                    break
    events = _size(database)
    if not events:
        raise UsageError(
            f"{read:,} records at {', '.join(map(str, paths))} hold no event under the mapping {mapping}: "
            f"`analytics-pipeline mapping check {mapping} FILE` says why"
        )
    refused = f"; {read - events:,} more records are no events" if read > events else ""
    return f"{events:,} events in {len(files):,} file{'s' if len(files) > 1 else ''}{refused}"


def _read_warehouse(database: duckdb.DuckDBPyConnection, settings: Settings, folder: Path) -> str:
    """The events of the newest whole days, where they are very many."""
    exported = folder / "events.csv"
    with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
        row = connection.execute("select count(*) from raw.events").fetchone()
        total = int(row[0]) if row else 0
        if not total:
            raise UsageError("raw.events is empty: give the PATH of event files, or load some with `analytics-pipeline ingest`")
        _export(connection, exported, total)
    database.execute(_IMPORT, {"path": str(exported), "longest": _LONGEST_LINE})
    events = _size(database)
    return f"{events:,} events of the warehouse" + (f", the newest of {total:,}" if events < total else "")


def _export(connection: psycopg.Connection, path: Path, total: int) -> None:
    since = connection.execute(_NEWEST_DAYS, (MOST_EVENTS,)).fetchone() if total > MOST_EVENTS else None
    start = since[0] if since and since[0] else _BEGINNING
    with path.open("wb") as target, connection.cursor().copy(_EXPORT, (start, MOST_EVENTS)) as copy:
        for data in copy:
            target.write(data)


def _size(database: duckdb.DuckDBPyConnection) -> int:
    row = database.execute("select count(*) from events").fetchone()
    return int(row[0]) if row else 0
