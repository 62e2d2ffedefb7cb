"""Writes the sample's days as event files of several formats, with what real exports suffer from.

Some events come late, some twice, some lines are broken. A file is there whole or not at all.
"""

import csv
import gzip
import io
import json
import os
import random
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

from analytics_pipeline.samples.generators import Event, generator_of

_LATE, _TWICE = 0.006, 0.004


def write_samples(landing: Path, plan: str, first_day: date, last_day: date) -> list[Path]:
    """Write the files of all days that are not in the folder yet.

    Args:
        landing: the folder; one file a day, named by the day on which its events were received.
        plan: whose sample.
        first_day: where the history begins (local day).
        last_day: the last whole day.

    Returns:
        The new files.

    Raises:
        UsageError: no sample has the name of the plan.
    """
    landing.mkdir(parents=True, exist_ok=True)
    days = (last_day - first_day).days + 1
    paths = sample_paths(landing, first_day, last_day)
    missing = {i for i, path in enumerate(paths) if not path.exists()}
    if not missing:
        return []
    received = deliveries(generator_of(plan).generate(first_day, days))
    return [_write(paths[i], received[i], i) for i in sorted(missing)]


def deliveries(history: list[list[Event]]) -> dict[int, list[Event]]:
    """What a tracker delivers on each day: some events come up to three days late, some twice.

    Args:
        history: the events of each day, as a generator gives them.

    Returns:
        The events by number of the day on which they arrive; the days after the history hold the late ones.
    """
    found: dict[int, list[Event]] = defaultdict(list)
    for index, events in enumerate(history):
        rng = random.Random(f"delivery:{index}")
        for event in events:
            delay = rng.randint(1, 3) if rng.random() < _LATE else 0
            received = event["received_at"] + timedelta(days=delay)
            found[index + delay].append({**event, "received_at": received})
            if rng.random() < _TWICE:
                found[index + rng.randint(0, 1)].append({**event, "received_at": received})
    return found


def sample_paths(landing: Path, first_day: date, last_day: date) -> list[Path]:
    """The files of a span of days, whether they are written or not."""
    suffixes = ("ndjson.gz", "csv", "parquet")
    days = range((last_day - first_day).days + 1)
    return [landing / f"events-{first_day + timedelta(days=i)}.{suffixes[i % 3]}" for i in days]


def _write(path: Path, events: list[Event], index: int) -> Path:
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content_of(path.name, events, index))
    os.replace(partial, path)
    return path


def content_of(name: str, events: list[Event], index: int) -> bytes:
    """The bytes of a file whose name ends in ndjson.gz, csv or parquet; with broken lines, where the format can hold them."""
    rng = random.Random(f"broken:{index}")
    return {"gz": _ndjson, "csv": _csv, "parquet": _parquet}[name.rsplit(".", 1)[1]](events, rng)


def _text(event: Event) -> Event:
    times = {k: event[k].isoformat(timespec="milliseconds").replace("+00:00", "Z") for k in ("occurred_at", "received_at")}
    return {**event, **times}


def _ndjson(events: list[Event], rng: random.Random) -> bytes:
    lines = [json.dumps({k: v for k, v in _text(e).items() if v is not None}, separators=(",", ":")) for e in events]
    lines.insert(rng.randrange(len(lines)), lines[rng.randrange(len(lines))][:60])
    lines.insert(rng.randrange(len(lines)), json.dumps({"event_name": events[0]["event_name"]}))
    return gzip.compress("\n".join([*lines, ""]).encode(), compresslevel=3, mtime=0)


def _csv(events: list[Event], rng: random.Random) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(events[0]), lineterminator="\n")
    writer.writeheader()
    broken = rng.randrange(len(events))
    for number, event in enumerate(events):
        writer.writerow({**_text(event), "properties": json.dumps(event["properties"], separators=(",", ":"))})
        if number == broken:
            writer.writerow({**_text(event), "event_id": "", "occurred_at": "yesterday, about noon", "properties": "{}"})
    return out.getvalue().encode()


def _parquet(events: list[Event], _: random.Random) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{**e, "properties": json.dumps(e["properties"], separators=(",", ":"))} for e in events]
    moment = pa.timestamp("us", tz="UTC")
    kinds = {"occurred_at": moment, "received_at": moment, "value": pa.float64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in rows[0]])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, compression="zstd")
    return sink.getvalue()
