"""Loading 1,000,000 NDJSON events, beside psql's COPY of the ready-made rows and dlt's merge, into the same table with its index.

Run: python benchmarks/ingest.py [--events 1000000] [--repeats 3] [--url postgresql://...] [--skip-dlt] [--skip-history]

The server is an embedded one, or the one named by --url (its database is emptied). All write to the same table with the same
durability, in turn; each figure is the median of the repeats, in a process of its own. dlt needs
`uv pip install --group benchmark`.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import yaml

from analytics_pipeline.tracking_plan.compile import compile_plan
from analytics_pipeline.tracking_plan.publish import publish_plan, published_hash
from analytics_pipeline.tracking_plan.read import read_plan
from analytics_pipeline.warehouse import embedded
from analytics_pipeline.warehouse.migrate import migrate
from analytics_pipeline.warehouse.partitions import Partitions, week_of

DAY = datetime(2026, 2, 1, tzinfo=UTC)
NAMES = ["page_view", "product_view", "add_to_cart", "search", "purchase"]
PLAN = Path(__file__).parents[1] / "analytics_pipeline" / "tracking_plan" / "plans" / "ecommerce.yml"
LOADER = """
import json, sys, time
from pathlib import Path
import psycopg
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
with psycopg.connect(sys.argv[1], autocommit=True, options="-c timezone=UTC") as connection:
    load_mapping("envelope")
    server = f"/proc/{connection.info.backend_pid}/stat"
    def server_seconds():
        try:
            return sum(map(int, Path(server).read_text().rsplit(")", 1)[1].split()[11:13])) / 100
        except OSError:
            return float("nan")
    began, cpu, backend = time.monotonic(), time.process_time(), server_seconds()
    batch = load_file(connection, Path(sys.argv[2]), load_mapping("envelope"), "bench")
    print(json.dumps({
        "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu, "server": server_seconds() - backend,
        "memory": int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024, "outcome": batch.outcome,
        "accepted": batch.accepted, "duplicate": batch.duplicate, "quarantined": batch.quarantined,
    }))
"""
STEPS = """
import json, sys, time, uuid
from datetime import UTC, datetime
from pathlib import Path
from analytics_pipeline.events.files import read_records
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.events.normalise import Normaliser
path, start = Path(sys.argv[2]), datetime(2020, 1, 1, tzinfo=UTC)
began = time.process_time()
for _ in read_records(path):
    pass
read = time.process_time() - began
with Normaliser(load_mapping("envelope"), "bench", uuid.uuid4(), start, datetime.now(UTC)) as normaliser:
    began = time.process_time()
    for records in read_records(path):
        normaliser.apply(records)
    judged = time.process_time() - began
print(json.dumps({"reading": read, "judging": judged - read}))
"""
DLT = """
import sys, time
from pathlib import Path
from urllib.parse import quote
import dlt, orjson
@dlt.resource(name="events", write_disposition="merge", primary_key="event_id")
def events():
    with open(sys.argv[2], "rb") as lines:
        chunk = []
        for line in lines:
            chunk.append(orjson.loads(line))
            if len(chunk) == 10_000:
                yield chunk
                chunk = []
        yield chunk
from psycopg.conninfo import conninfo_to_dict
parts = conninfo_to_dict(sys.argv[1])
host, folder = ("localhost", "?host=" + quote(parts["host"], "")) if parts["host"].startswith("/") else (parts["host"], "")
login = parts.get("user", "postgres") + ":" + (parts.get("password") or "none")
place = f"postgresql://{login}@{host}:{parts.get('port', 5432)}/{parts['dbname']}{folder}"
pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(place), dataset_name="dlt_bench", pipelines_dir=sys.argv[3], dev_mode=False)
began = time.monotonic()
pipeline.run(events())
print(time.monotonic() - began)
"""


def events(count: int, rng: random.Random) -> list[bytes]:
    """NDJSON events of one day, of about 265 bytes."""
    lines = []
    for number in range(count):
        at = DAY + timedelta(seconds=86_400 * number / count, microseconds=rng.randrange(1000))
        record = {
            "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "event_name": rng.choice(NAMES),
            "occurred_at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "user_id": f"u{rng.randrange(50_000)}",
            "session_id": f"s{rng.randrange(10**6)}",
            "country": rng.choice(["DE", "FR", "US", "GB"]),
            "device_type": "mobile",
            "value": round(rng.random() * 100, 2),
            "currency": "EUR",
            "properties": {"path": f"/p/{rng.randrange(1000)}", "n": rng.randrange(10)},
        }
        lines.append(json.dumps(record, separators=(",", ":")).encode())
    return lines


def ready_rows(lines: list[bytes], path: Path) -> None:
    """The same events as lines of COPY's text format."""
    batch, now = uuid.uuid4(), datetime.now(UTC)
    with path.open("w") as target:
        for line in lines:
            e = json.loads(line)
            row = [e["event_id"], e["event_name"], e["occurred_at"], now, "bench", e["user_id"], None, e["session_id"], None, None,
                   e["country"], None, None, e["device_type"], None, None, e["value"], e["currency"], json.dumps(e["properties"]), batch]  # fmt: skip
            target.write("\t".join("\\N" if cell is None else str(cell) for cell in row) + "\n")


def soiled(lines: list[bytes], rng: random.Random) -> tuple[list[bytes], list[bytes]]:
    """With 1% duplicates inside, 1% already loaded and 0.5% broken; and what has to be loaded before."""
    dirty, before = [], []
    for number, line in enumerate(lines):
        dirty.append(line)
        chance = rng.random()
        if chance < 0.01:
            dirty.append(lines[rng.randrange(max(0, number - 200_000), number + 1)])
        elif chance < 0.02:
            before.append(line)
        elif chance < 0.025:
            dirty.append(rng.choice([line[:100], b'{"event_name":"x"}', line.replace(b"2026-", b"20x6-", 1)]))
    return dirty, before


class Bench:
    """One server, emptied before each load."""

    def __init__(self, url: str, work: Path) -> None:
        self.url, self.work = url, work
        self.connection = psycopg.connect(url, autocommit=True, options="-c timezone=UTC")
        if published_hash(self.connection) is None:
            publish_plan(self.connection, compile_plan(read_plan(PLAN), PLAN))

    def empty(self) -> None:
        self.connection.execute(
            "truncate raw.events, raw.quarantine, raw.ingest_batches, raw.ingest_objects, ops.changes cascade"
        )
        Partitions(self.connection).ensure({week_of(DAY), week_of(DAY + timedelta(days=1))})
        self.connection.execute("checkpoint")

    def child(self, script: str, *arguments: str) -> str:
        done = subprocess.run([sys.executable, "-c", script, self.url, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        return done.stdout.strip().splitlines()[-1]

    def load(self, path: Path) -> dict[str, float]:
        return dict(json.loads(self.child(LOADER, str(path))))

    def copy(self, path: Path) -> float:
        program = shutil.which("psql") or sys.exit("psql is missing: install postgresql-client")
        began = os.times().elapsed
        subprocess.run([program, self.url, "-qc", f"\\copy raw.events from '{path}'"], check=True)
        return os.times().elapsed - began

    def history(self, per_day: int) -> None:
        """90 days before the day, with the same columns filled."""
        first = DAY - timedelta(days=90)
        Partitions(self.connection).ensure({week_of(first + timedelta(days=n)) for n in range(91)})
        for day in range(90):
            self.connection.execute(
                """
                insert into raw.events
                select gen_random_uuid(), 'page_view', at, at, 'history', 'u' || n %% 50000, null, 's' || n, null, null, 'DE', null, null,
                    'mobile', null, null, 76.1, 'EUR', '{"path": "/p/483", "n": 6}', gen_random_uuid()
                from (select n, %s + n * interval '1 day' / %s as at from generate_series(0, %s) as n) as numbers
                """,
                (first + timedelta(days=day), per_day, per_day - 1),
            )
        self.connection.execute("vacuum analyze raw.events")
        self.connection.execute("checkpoint")


def median(figures: list[float]) -> float:
    return statistics.median(figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--url")
    parser.add_argument("--skip-dlt", action="store_true")
    parser.add_argument("--skip-history", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingest-")))
        work.chmod(0o755)
        if options.url is None:
            stack.enter_context(embedded.acquire(work / "home"))
            options.url = embedded.server_url(work / "home")
        migrate(options.url)
        run(Bench(options.url, work), options)


def run(bench: Bench, options: argparse.Namespace) -> None:
    rng = random.Random(1)
    lines = events(options.events, rng)
    dirty, before = soiled(lines, rng)
    files = {name: bench.work / f"{name}.ndjson" for name in ("clean", "dirty", "before", "triple", "line")}
    for name, content in {"clean": lines, "dirty": dirty, "before": before}.items():
        files[name].write_bytes(b"\n".join(content) + b"\n")
    ready_rows(lines, bench.work / "ready.txt")
    print(
        f"{options.events:,} events of {files['clean'].stat().st_size / options.events:.0f} bytes, {os.cpu_count()} cores, medians of {options.repeats}"
    )
    copies, cleans, dirties, dlts = [], [], [], []
    for number in range(options.repeats):
        bench.empty()
        copies.append(bench.copy(bench.work / "ready.txt"))
        bench.empty()
        cleans.append(bench.load(files["clean"]))
        known = bench.load(files["clean"])
        bench.empty()
        bench.load(files["before"])
        dirties.append(bench.load(files["dirty"]))
        if not options.skip_dlt:
            bench.connection.execute("drop schema if exists dlt_bench cascade")
            bench.connection.execute("drop schema if exists dlt_bench_staging cascade")
            dlts.append(float(bench.child(DLT, str(files["clean"]), str(bench.work / f"dlt{number}"))))
    rate = options.events / median(copies)
    clean, soil = (median([one["seconds"] for one in many]) for many in (cleans, dirties))
    print(f"(a) psql COPY of ready-made rows   {rate:>9,.0f} rows/s")
    print(
        f"(b) this loader, clean             {options.events / clean:>9,.0f} rows/s, {options.events / clean / rate:.2f} of (a) (bar 0.7)"
    )
    soiled_rate = len(dirty) / soil
    print(
        f"    with duplicates and broken     {soiled_rate:>9,.0f} rows/s, {soiled_rate / rate:.2f} of (a) (bar 0.6): "
        + counted(dirties[-1])
    )
    if dlts:
        dlt_rate = options.events / median(dlts)
        print(
            f"(c) dlt's merge                    {dlt_rate:>9,.0f} rows/s; (b) is {options.events / clean / dlt_rate:.0f} times as fast (bar 15)"
        )
    print(f"a known file again: {known['seconds']:.2f} s, {known['outcome']} (bar 1 s a million)")
    steps(bench, files["clean"], cleans, options.events)
    memory(bench, files, lines)
    contracts(bench, files["clean"], options.repeats)
    if not options.skip_history:
        with_history(bench, files["clean"], clean, options)


def counted(load: dict[str, float]) -> str:
    return f"{load['accepted']:,} accepted, {load['duplicate']:,} duplicate, {load['quarantined']:,} quarantined"


def steps(bench: Bench, path: Path, loads: list[dict[str, float]], count: int) -> None:
    found = dict(json.loads(bench.child(STEPS, str(path))))
    client, server = (median([load[name] for load in loads]) for name in ("cpu", "server"))
    parts = {**found, "hash, duplicates, sending, ledger": client - sum(found.values()), "server": server}
    print("CPU seconds per million events: " + ", ".join(f"{name} {s / count * 1e6:.2f}" for name, s in parts.items()))


def memory(bench: Bench, files: dict[str, Path], lines: list[bytes]) -> None:
    with files["triple"].open("wb") as target:
        for _ in range(3):
            target.write(files["clean"].read_bytes())
    files["line"].write_bytes(lines[0] + b"\n" + lines[1][:-1] + b',"x":"' + b"y" * 100_000_000 + b'"}\n' + lines[2] + b"\n")
    for name, bar in {"clean": 500, "triple": 500, "line": 500 + 3 * 100}.items():
        bench.empty()
        found = bench.load(files[name])
        size = files[name].stat().st_size / 1e6
        print(f"peak memory with a file of {size:,.0f} MB: {found['memory']:.0f} MB (bar {bar}); {counted(found)}")


def contracts(bench: Bench, path: Path, repeats: int) -> None:
    """All events strict, against none; the plans in turn."""
    document = yaml.safe_load(PLAN.read_text())
    declared = {"path": {"required": True}, "n": {"type": "number", "required": True}}
    plans = {}
    for contract in ("lenient", "strict"):
        for name in NAMES:
            document["events"][name] = {"contract": contract, "properties": declared}
        file = bench.work / f"{contract}.yml"
        file.write_text(yaml.safe_dump(document))
        plans[contract] = compile_plan(read_plan(file), file)
    found: dict[str, list[dict[str, float]]] = {contract: [] for contract in plans}
    for _ in range(repeats):
        for contract, plan in plans.items():
            publish_plan(bench.connection, plan)
            bench.empty()
            found[contract].append(bench.load(path))
    rates = {c: 1 / median([load["seconds"] for load in loads]) for c, loads in found.items()}
    cpu = {c: median([load["cpu"] for load in loads]) for c, loads in found.items()}
    print(
        f"all events strict: {rates['strict'] / rates['lenient']:.2f} of the rate with none (bar 0.8), "
        f"{cpu['strict'] / cpu['lenient']:.2f} of the client's CPU time; " + counted(found["strict"][-1])
    )


def with_history(bench: Bench, path: Path, empty: float, options: argparse.Namespace) -> None:
    per_day = options.events // 10
    bench.empty()
    bench.history(per_day)
    full, copies = [], []
    for _ in range(options.repeats):
        for figures, load in (
            (full, lambda: bench.load(path)["seconds"]),
            (copies, lambda: bench.copy(bench.work / "ready.txt")),
        ):
            figures.append(load())
            bench.connection.execute(
                "delete from raw.events where source = 'bench' and occurred_at >= %s", (DAY - timedelta(days=1),)
            )
            bench.connection.execute("truncate raw.ingest_batches, raw.quarantine, raw.ingest_objects, ops.changes cascade")
            bench.connection.execute("vacuum raw.events")
            bench.connection.execute("checkpoint")
    print(
        f"into 90 days of {per_day:,} events: {options.events / median(full):,.0f} rows/s, {empty / median(full):.2f} of the rate into an "
        f"empty table (bar 0.8); psql COPY there: {options.events / median(copies):,.0f} rows/s"
    )


if __name__ == "__main__":
    main()
