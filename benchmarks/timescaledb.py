"""Raw events on a community TimescaleDB, in the columnstore, beside rows and native partitions on the same server.

Run: ANALYTICS_TEST_TIMESCALEDB_URL=postgresql://... python benchmarks/timescaledb.py [--events 10000000] [--repeats 3]
     python benchmarks/timescaledb.py --plain [--events 10000000]

Without a server it says what it would measure. --plain takes an embedded PostgreSQL, or the one named by ANALYTICS_DATABASE_URL, and
measures what needs no TimescaleDB. --functional-only runs the steps and quotes no speed: the build in WebAssembly, which has one database
and must be empty, allows nothing else. Databases of its own are dropped in the end. The events are those of marts.py, and end yesterday.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import ingest
import marts
import psycopg
from psycopg import sql

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.lifecycle import departures, live, storage
from analytics_pipeline.warehouse import chunks, embedded
from analytics_pipeline.warehouse.connection import Capabilities, capabilities
from analytics_pipeline.warehouse.migrate import migrate

SERVER = "ANALYTICS_TEST_TIMESCALEDB_URL"
DAYS, HOT_DAYS, PARTITION_DAYS = 90, 10, 28
LATE_ROWS, LATE_DAY, LIVE_BATCHES, STORE = 500, 40, 24, "file:///bench"
DAY_LIMIT, MILLISECONDS_LIMIT = 1.3, marts.QUESTION_LIMIT
MEASURES = f"""\
1. ingest: the loader into the hypertable, against the same into native partitions
2. columnstore: rate and size of compressing, against loading and rows
3. the dashboard's questions and three scans of raw events, on the columnstore against rows *
4. {LATE_ROWS} late rows through the loader, into the columnstore against rows *
5. erasing a person over 90 days, in the columnstore against rows
6. a daily run with 80 of 90 days in the columnstore, against none: limit {DAY_LIMIT}
7. live.overview with events up to now: p95 of 30, limit {MILLISECONDS_LIMIT} ms *
8. dropping a chunk, against a native partition *
* with --plain also on PostgreSQL alone, against the limit or a peer there"""
SCANS = {
    "scan: count by event name and day, 90 days": """
        select event_name, date_trunc('day', occurred_at), count(*) from raw.events
        where occurred_at >= %(first)s and occurred_at < %(end)s group by 1, 2""",
    "scan: value of purchases, 30 days": """
        select sum(value) from raw.events
        where event_name = 'purchase' and occurred_at >= %(end)s::timestamptz - interval '30 days' and occurred_at < %(end)s""",
    "scan: all events of one person": "select * from raw.events where user_id = %(person)s order by occurred_at",
}
BUSIEST = "select user_id from raw.events where user_id is not null group by 1 order by count(*) desc, 1 limit 3"
ERASE = "delete from raw.events where user_id = {} and occurred_at >= {} and occurred_at < {}"
CONTENT = "select event_name, count(*), sum(value), count(distinct anonymous_id) from raw.events group by 1 order by 1"
SIZES = "select before_compression_total_bytes, after_compression_total_bytes from hypertable_compression_stats('raw.events')"
CATALOGUE = """
insert into ops.tier_catalogue (
    object_key, relation, day, range_start, range_end, store_url, rows, bytes, sha256, content_checksum, schema_version, status, verified_at
)
select day::text, 'raw.events', (day at time zone 'UTC')::date, day, day + interval '1 day', %s, 1000000000, 0, '', '', 1, 'current', 'infinity'
from generate_series(%s::timestamptz, %s, interval '1 day') as day
"""


@dataclass(frozen=True)
class Figure:
    """What was measured."""

    value: float
    unit: str = "ms"


@dataclass(frozen=True)
class Line:
    """A figure beside its peer, or its limit."""

    what: str
    figure: Figure
    peer: float
    against: str


Figures = dict[str, Figure]


class Subject:
    """A database with 90 or fewer days of events, up to yesterday, and what its server can do."""

    def __init__(self, url: str, work: Path, per_day: int, history: int, more: int = 0) -> None:
        """Args: per_day: events. history: days that are loaded. more: days that can be loaded after them."""
        # The other benchmarks' clocks stand still; here live tables have to meet events of now.
        marts.END = datetime.now(marts.ZONE).date() - timedelta(days=more)
        self.bench = marts.Bench(url, work / uuid.uuid4().hex[:8], per_day, history, more)
        self.connection, self.per_day = self.bench.connection, per_day
        self.can: Capabilities = capabilities(self.connection)
        self._history, self._random = history, random.Random(history)

    def load_history(self) -> None:
        self.bench.load(self._history)
        self.bench.rest()
        self.persons = [name for (name,) in self.connection.execute(BUSIEST)]
        self._file = self.bench.settings.home / "events.ndjson"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self.load(self.lines(1, self.bench.local_time(self.bench.loaded - 1)))  # the loader's first time is slower

    def lines(self, count: int, start: datetime) -> list[bytes]:
        """NDJSON events over a day."""
        ingest.DAY = start.astimezone(UTC)
        return ingest.events(count, self._random)

    def load(self, lines: list[bytes]) -> None:
        """As a file, in this process."""
        self._file.write_bytes(b"\n".join(lines) + b"\n")
        batch = load_file(self.connection, self._file, load_mapping("envelope"), "bench")
        if batch.accepted != len(lines):
            sys.exit(f"{batch.accepted} of {len(lines)} events were loaded: {batch}")

    def settle(self) -> None:
        """Later builds, and what leaves, have nothing to do with the changes of other measures."""
        self.connection.execute("delete from ops.changes where consumed_by is null")
        self.bench.rest()


@contextmanager
def database(server: str, timescaledb: str) -> Iterator[str]:
    """URL of a migrated one, dropped in the end."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
        try:
            migrate(url, timescaledb)
            yield url
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


def milliseconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return (time.monotonic() - began) * 1000


def median(work: Callable[[], object], repeats: int) -> Figure:
    return Figure(statistics.median(milliseconds(work) for _ in range(repeats)))


def p95(work: Callable[[], object], times: int = 30) -> Figure:
    return Figure(statistics.quantiles([milliseconds(work) for _ in range(times)], n=20)[-1])


def rows(connection: psycopg.Connection, query: str) -> int:
    """How many it gives; none is a fault of the benchmark."""
    found = len(connection.execute(query.encode()).fetchall())
    return found or sys.exit(f"no rows: {query}")


def loading(urls: list[str], work: Path, count: int, repeats: int) -> list[Figures]:
    """Rates of the loader, in turn, each load in a process of its own and into an empty table."""
    path, seconds = work / "ingest.ndjson", [list[float]() for _ in urls]
    ingest.DAY = datetime.now(UTC) - timedelta(days=2)
    path.write_bytes(b"\n".join(ingest.events(count, random.Random(1))) + b"\n")
    benches = [ingest.Bench(url, work) for url in urls]
    for _ in range(repeats):
        for bench, took in zip(benches, seconds, strict=True):
            bench.empty()
            done = bench.load(path)
            if done["accepted"] != count:
                sys.exit(f"not all was loaded: {done}")
            took.append(done["seconds"])
    for bench in benches:
        bench.empty()
        bench.connection.close()
    return [{f"loader, {count:,} rows": Figure(count / statistics.median(took), "rows/s")} for took in seconds]


def questions(subject: Subject) -> Figures:
    found = {}
    with psycopg.connect(subject.bench.url, autocommit=True, options="-c timezone=UTC") as reader:
        for title, query in marts.QUESTIONS.items():
            found[f"question: {title}, p95"] = p95(partial(rows, reader, query))
    return found


def scans(subject: Subject, repeats: int) -> Figures:
    bench, found = subject.bench, {}
    values = {"first": bench.local_time(0), "end": bench.local_time(DAYS), "person": subject.persons[0]}
    for title, query in SCANS.items():
        work = partial(subject.connection.execute, query.encode(), values, prepare=False)
        work()
        found[title] = median(work, repeats)
    return found


def late(subject: Subject, day: int, repeats: int) -> Figures:
    """Of one day, through the loader."""
    files = [subject.lines(LATE_ROWS, subject.bench.local_time(day)) for _ in range(repeats)]
    return {f"{LATE_ROWS} late rows": median(lambda: subject.load(files.pop()), repeats)}


def erase(subject: Subject, person: str) -> Figures:
    pieces, gone = chunks.chunks(subject.connection, subject.can), list[int]()

    def work() -> None:
        with subject.connection.transaction():
            subject.connection.execute("set local timescaledb.max_tuples_decompressed_per_dml_transaction = 0")
            for piece in pieces:
                statement = sql.SQL(ERASE).format(person, piece.starts_at, piece.ends_at)
                gone.append(subject.connection.execute(statement).rowcount)

    took = Figure(milliseconds(work))
    if not sum(gone) or subject.connection.execute("select 1 from raw.events where user_id = %s limit 1", (person,)).fetchone():
        sys.exit(f"{sum(gone)} events of {person} were erased, and not all")
    return {"erasing a person": took}


def daily(subject: Subject, repeats: int) -> Figures:
    seconds = []
    for _ in range(repeats):
        subject.bench.load()
        seconds.append(subject.bench.build().seconds)
        subject.bench.rest()
    return {"daily run": Figure(statistics.median(seconds), "s")}


def compress(subject: Subject, horizon: datetime) -> float:
    """Seconds of the policy, that must not change an event."""
    before = subject.connection.execute(CONTENT).fetchall()
    took = milliseconds(lambda: storage.compress_older(subject.connection, subject.can, horizon)) / 1000
    if subject.connection.execute(CONTENT).fetchall() != before:
        sys.exit("the columnstore has other events than the rows")
    subject.bench.rest()
    return took


def overview(subject: Subject) -> Figures:
    """Events since midnight, of which those of the last two hours come in small batches."""
    now, today = datetime.now(UTC), datetime.now(marts.ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    refresh(subject)
    lines = subject.lines(subject.per_day, now - timedelta(days=1))
    recent = max(LIVE_BATCHES, subject.per_day // 12)
    earlier = lines[-max(recent + 1, int(subject.per_day * ((now - today) / timedelta(days=1)))) : -recent]
    subject.load(earlier)
    step = -(-recent // LIVE_BATCHES)
    for start in range(len(lines) - recent, len(lines), step):
        subject.load(lines[start : start + step])
    with psycopg.connect(subject.bench.url, autocommit=True, options="-c timezone=UTC") as reader:
        if reader.execute("select visitors_last_hour > 0 from live.overview").fetchone() != (True,):
            sys.exit("live.overview does not see the events of now")
        return {"live.overview, p95": p95(lambda: rows(reader, "select * from live.overview"))}


def refresh(subject: Subject) -> None:
    """As a run does it."""
    as_of = min(datetime.now(UTC), subject.bench.local_time(subject.bench.loaded, 3))
    live.refresh(subject.connection, subject.can, as_of)


def dropping(subject: Subject) -> Figures:
    """The oldest chunk that has a whole week, by the policy; and the next one, without what the policy looks at before."""
    subject.settle()
    connection, can = subject.connection, subject.can
    pieces = chunks.chunks(connection, can)
    connection.execute(CATALOGUE, (STORE, pieces[0].starts_at, pieces[-1].ends_at))
    departures.drop_older(connection, can, subject.bench.local_time(8), STORE)
    whole, following = chunks.chunks(connection, can)[:2]
    told: list[str] = []
    took = milliseconds(lambda: told.append(departures.drop_older(connection, can, whole.ends_at, STORE)))
    if told != ["1 chunks dropped"]:
        sys.exit(f"drop_older: {told}")

    def drop() -> None:
        with connection.transaction():
            chunks.drop(connection, can, following)

    return {"drop_older, one chunk": Figure(took), "  of which the drop itself": Figure(milliseconds(drop))}


def deleting(subject: Subject) -> Figures:
    """What dropping saves: a week deleted row by row, beside both figures of dropping."""
    piece = chunks.chunks(subject.connection, subject.can)[0]
    query, bounds = "delete from raw.events where occurred_at >= %s and occurred_at < %s", (piece.starts_at, piece.ends_at)
    took = Figure(milliseconds(lambda: subject.connection.execute(query, bounds)))
    return {"drop_older, one chunk": took, "  of which the drop itself": took}


def beside(figures: Figures, peers: Figures, against: str) -> list[Line]:
    return [Line(what, figure, peers[what].value, against) for what, figure in figures.items() if what in peers]


def within(figures: Figures) -> list[Line]:
    return [Line(what, figure, MILLISECONDS_LIMIT, "limit") for what, figure in figures.items()]


def on_plain(url: str, work: Path, events: int, repeats: int) -> list[Line]:
    subject = Subject(url, work, events // DAYS, DAYS)
    subject.load_history()
    subject.bench.dbt("parse")
    subject.bench.build(full=True)
    subject.bench.rest()
    lines = within(questions(subject))
    lines += beside(late(subject, LATE_DAY, repeats), late(subject, DAYS - 1, repeats), "into the newest partition")
    lines += within(overview(subject))
    return lines + beside(dropping(subject), deleting(subject), "DELETE of a week")


def on_timescaledb(url: str, peer: str | None, work: Path, events: int, repeats: int) -> list[Line]:
    """peer: URL of a database with native partitions; without it the peer of what needs one is the hypertable itself."""
    per_day, urls = events // DAYS, [url, *([peer] if peer else [])]
    subject = Subject(url, work, per_day, DAYS, 2 * repeats)
    partitions = Subject(peer, work, per_day, PARTITION_DAYS) if peer else None
    if not subject.can.columnstore:
        sys.exit(f"the server has no columnstore: {subject.can}")
    rates = loading(urls, work, max(1000, events // 10), repeats)
    lines = beside(rates[0], rates[-1], "native partitions")
    subject.load_history()
    subject.bench.dbt("parse")
    subject.bench.build(full=True)
    subject.bench.rest()
    as_rows = daily(subject, repeats) | questions(subject) | scans(subject, repeats) | late(subject, LATE_DAY, repeats)
    as_rows |= erase(subject, subject.persons[1])
    refresh(subject)
    subject.settle()

    took = compress(subject, subject.bench.local_time(subject.bench.loaded - HOT_DAYS))
    in_part = sum(piece.is_columnar for piece in chunks.chunks(subject.connection, subject.can))
    run = daily(subject, repeats)
    limits = within(overview(subject))
    took += compress(subject, datetime.now(UTC) + timedelta(days=14))
    subject.settle()
    (count,) = subject.connection.execute("select count(*) from raw.events").fetchone() or (0,)
    before, after = subject.connection.execute(SIZES).fetchone() or (0, 0)
    (rate,) = rates[0].values()
    lines.append(Line("columnstore policy, all chunks", Figure(count / took, "rows/s"), rate.value, "loading them"))
    lines.append(Line(f"{count:,} events as rows", Figure(before / 1e6, "MB"), after / 1e6, "in the columnstore"))

    asked = questions(subject)
    columnar = asked | scans(subject, repeats) | late(subject, LATE_DAY, repeats) | erase(subject, subject.persons[2])
    lines += beside(columnar, as_rows, "rows")
    slowest = max(asked.values(), key=lambda figure: figure.value)
    lines.append(Line("question: the slowest of them, p95", slowest, MILLISECONDS_LIMIT, "limit"))
    lines += beside(run, as_rows, f"rows (limit {DAY_LIMIT}); {in_part} chunks in the columnstore")
    lines += limits
    dropped = dropping(subject)
    if partitions:
        partitions.load_history()
    return lines + beside(dropped, dropping(partitions) if partitions else dropped, "native partition")


def show(lines: list[Line]) -> None:
    print(f"{'what':<50} {'figure':>16} {'peer or limit':>16} {'ratio':>8}")
    for line in lines:
        figure, peer = (f"{value:,.1f} {line.figure.unit}" for value in (line.figure.value, line.peer))
        print(f"{line.what:<50} {figure:>16} {peer:>16} {line.figure.value / line.peer:8.2f}   {line.against}")


def about(server: str) -> tuple[str, bool]:
    """What the server is, and whether it is the build in WebAssembly."""
    with psycopg.connect(server) as connection:
        row = connection.execute("select version()").fetchone()
    version = str(row[0]) if row else ""
    return version, any(word in version.lower() for word in ("wasm", "emscripten"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000, help=f"in {DAYS} days")
    parser.add_argument("--repeats", type=int, default=3, help="of what is told as a median")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--plain", action="store_true", help="PostgreSQL without TimescaleDB")
    kind.add_argument(
        "--functional-only", action="store_true", help="run everything on the one database that is named, quote no speed"
    )
    options = parser.parse_args()
    server = os.environ.get("ANALYTICS_DATABASE_URL" if options.plain else SERVER, "")
    if not server and not options.plain:
        print(
            f"NOTHING WAS MEASURED: {SERVER} names no server with the community edition of TimescaleDB. With one:\n{MEASURES}"
        )
        return
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="timescaledb-")))
        work.chmod(0o755)
        if not server:
            stack.enter_context(embedded.acquire(work / "home"))
            server = embedded.server_url(work / "home")
        version, is_wasm = about(server)
        if is_wasm and not options.functional_only:
            sys.exit(
                "NO SPEED IS QUOTED: this server is PostgreSQL in WebAssembly, with one backend, no parallel queries, no workers and a memory "
                f"for a disk: its times say nothing of a native one. Use --functional-only, or a native server in {SERVER}\n{version}"
            )
        if options.functional_only:
            migrate(server)
            lines = on_timescaledb(server, None, work, options.events, options.repeats)
            print("no speeds, on purpose; these ran:\n" + "\n".join(f"    {line.what}" for line in lines))
            return
        title = "PLAIN POSTGRESQL, WITHOUT TIMESCALEDB" if options.plain else "TimescaleDB"
        print(f"{title}: {version}, {options.events:,} events in {DAYS} days, medians of {options.repeats}", flush=True)
        url = stack.enter_context(database(server, "off" if options.plain else "auto"))
        if options.plain:
            show(on_plain(url, work, options.events, options.repeats))
            return
        peer = stack.enter_context(database(server, "off"))
        show(on_timescaledb(url, peer, work, options.events, options.repeats))


if __name__ == "__main__":
    main()
