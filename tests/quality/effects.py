"""What a defect does to a day, as somebody sees it who only counts lines: events, persons, money. No database.

Run: python -m tests.quality.effects [NAME ...]
"""

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.quality.clean import HISTORY, Delivered, Product
from tests.quality.damage import SIZES, Day, clean_day, gzipped, lines, text
from tests.quality.defects import DEFECTS
from tests.quality.more_defects import MORE_DEFECTS

INDEX = HISTORY + 5
"""The day that defects are planted in: a Wednesday, with five good days between it and the change of the clock."""


@dataclass(frozen=True)
class Counted:
    """Of one local day."""

    events: int
    persons: int
    money: float
    kinds: int
    refused: int

    def __str__(self) -> str:
        return f"{self.events:>6} events {self.persons:>5} persons {self.money:>12,.2f} money {self.kinds:>3} kinds {self.refused:>5} refused"


def counted(day: Day, files: list[Delivered]) -> Counted:
    """Lines with a new id and a time on the day."""
    seen: set[str] = set()
    persons, kinds, money, refused = set(), set(), 0.0, 0
    for record in (r for file in files for r in _records(file)):
        if record is None or not record.get("event_name") or (at := _time(record)) is None:
            refused += 1
            continue
        if at.astimezone(day.zone).date() != day.day or record["event_id"] in seen:
            continue
        seen.add(record["event_id"])
        kinds.add(record["event_name"])
        persons.add(record.get("user_id") or record.get("anonymous_id"))
        if record["event_name"] == day.facts.money:
            money += float(str(record.get("value") or 0).replace(",", "."))
    return Counted(len(seen), len(persons), money, len(kinds), refused)


def _time(record: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(record.get("occurred_at") or "")
    except ValueError:
        return None


def touched(day: Day, files: list[Delivered]) -> tuple[int, int, int]:
    """Events that are missing, that nobody did, and that say something else than they should."""
    clean = _by_id([Delivered(day.file_name, gzipped(lines(day.events)))])
    found = _by_id(files)
    changed = sum(_said(record) != _said(clean[key]) for key, record in found.items() if key in clean)
    return len(clean.keys() - found.keys()), len(found.keys() - clean.keys()), changed


def _by_id(files: list[Delivered]) -> dict[str, dict[str, Any]]:
    """The first record of each id."""
    found: dict[str, dict[str, Any]] = {}
    for record in (r for file in files for r in _records(file)):
        if record and record.get("event_id"):
            found.setdefault(record["event_id"], record)
    return found


def _said(record: dict[str, Any]) -> dict[str, Any]:
    """Alike from CSV and from JSON."""
    properties = record.get("properties") or {}
    properties = json.loads(properties) if isinstance(properties, str) else properties
    return {**{k: str(v) for k, v in record.items() if v not in (None, "")}, "properties": properties}


def _records(file: Delivered) -> Iterator[dict[str, Any] | None]:
    content = file.content
    if file.name.endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error):
            return
    if file.name.endswith(".parquet"):
        import pyarrow.parquet as pq

        for row in pq.read_table(io.BytesIO(content)).to_pylist():
            yield text({**row, "properties": json.loads(row["properties"])})
        return
    if file.name.endswith(".csv"):
        yield from csv.DictReader(io.StringIO(content.decode()))
        return
    for line in content.decode().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            yield None


def main() -> None:
    for defect in [*DEFECTS, *MORE_DEFECTS]:
        if sys.argv[1:] and defect.name not in sys.argv[1:]:
            continue
        for product in defect.products:
            day = clean_day(Product(product), INDEX)
            print(f"\n{defect.name} ({product}): {defect.description}")
            print(f"  {'clean':<34}{counted(day, [Delivered(day.file_name, gzipped(lines(day.events)))])}")
            for size, (label, _) in zip(SIZES, defect.sizes, strict=True):
                files = defect.deliver(day, size)
                missing, new, changed = touched(day, files)
                print(f"  {size + ': ' + label:<34}{counted(day, files)}, {missing} missing, {new} new, {changed} changed")
            if len(sys.argv) == 1:
                break


if __name__ == "__main__":
    main()
