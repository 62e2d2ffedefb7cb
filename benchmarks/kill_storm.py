"""Loads killed by kill -9 at random moments, two at a time, with the server killed in between; afterwards the warehouse must
hold what an undisturbed load holds.

Run: python benchmarks/kill_storm.py [--rounds 50] [--seed 1]
"""

import argparse
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("analytics-pipeline"))
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
EVENTS = """
select md5(string_agg(e::text, '' order by event_id, occurred_at)), count(*) from (
    select event_id, event_name, occurred_at, received_at, source, user_id, value, properties from raw.events
) as e
"""
REFUSED = """
select md5(string_agg(q::text, '' order by q::text)), count(*) from (
    select line_number, reason_code, payload from raw.quarantine
) as q
"""
TOTALS = "select sum(rows_read), sum(rows_accepted), sum(rows_duplicate), sum(rows_quarantined) from raw.ingest_batches where status = 'loaded'"
LEDGER = "select md5(string_agg(distinct coalesce(day::text, person_key), '')) from ops.changes where cause = 'ingest'"


def write_folder(folder: Path, files: int, events: int, rng: random.Random) -> None:
    """Files of several kinds with duplicates, also of other files, and broken lines."""
    folder.mkdir(parents=True)
    earlier: list[str] = []
    for number in range(files):
        lines = []
        for _ in range(events):
            at = FIRST + timedelta(seconds=rng.randrange(40 * 86400))
            record = {
                "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "event_name": rng.choice(["view", "buy"]),
                "occurred_at": at.isoformat(),
                "received_at": (at + timedelta(seconds=5)).isoformat(),
                "user_id": f"u{rng.randrange(2000)}",
                "value": rng.randrange(100),
            }
            lines.append(json.dumps(record))
            if rng.random() < 0.01:
                lines.append(rng.choice(earlier or lines))
            if rng.random() < 0.005:
                lines.append(lines[-1][:50])
        earlier += lines[::50]
        content = ("\n".join(lines) + "\n").encode()
        packed = number % 3 == 1
        (folder / f"{number:03}.ndjson{'.gz' if packed else ''}").write_bytes(gzip.compress(content, 1) if packed else content)


def start(home: Path, folder: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "ANALYTICS_HOME": str(home)}
    return subprocess.Popen([COMMAND, "ingest", str(folder)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def answers(home: Path) -> dict[str, str]:
    """What the warehouse holds, and whether its books are even."""
    environment = {**os.environ, "ANALYTICS_HOME": str(home)}
    found = {}
    for name, query in {"events": EVENTS, "quarantine": REFUSED, "totals": TOTALS, "ledger": LEDGER}.items():
        done = subprocess.run(
            [COMMAND, "sql", query, "--format", "csv"], env=environment, capture_output=True, text=True, check=True
        )
        found[name] = done.stdout.splitlines()[1]
    doctor = subprocess.run([COMMAND, "doctor"], env=environment, capture_output=True, text=True, check=False)
    found["books"] = next(line for line in doctor.stdout.splitlines() if "books" in line)
    return found


def kill_server(home: Path) -> bool:
    """SIGQUIT as soon as there is one: the server drops everything, and recovers at its next start."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for lock in home.glob("postgres/**/postmaster.pid"):
            try:
                os.kill(int(lock.read_text().splitlines()[0]), signal.SIGQUIT)
            except (OSError, ValueError, IndexError):
                continue
            return True
        time.sleep(0.02)
    return False


def storm(folder: Path, home: Path, rounds: int, rng: random.Random) -> Counter[str]:
    """Start loads and kill them, then let one end."""
    seen: Counter[str] = Counter()
    for number in range(rounds):
        loaders = [start(home, folder) for _ in range(1 + (number % 3 == 0))]
        time.sleep(rng.uniform(0.2, 4 if rounds > 10 else 2))
        if number % 7 == 3:
            seen["servers killed"] += kill_server(home)
            time.sleep(rng.uniform(0, 0.5))
        for loader in loaders:
            seen["loads that had ended"] += loader.poll() is not None
            seen["loads killed"] += loader.poll() is None
            loader.kill()
            loader.communicate()
    for _ in range(10):
        last = start(home, folder)
        output, _ = last.communicate()
        if last.returncode == 0:
            return seen
        seen["last loads that had to be repeated"] += 1
        time.sleep(1)
    raise SystemExit(f"the load does not recover:\n{output.decode()}")


def compare(rounds: int, files: int, events: int, seed: int, work: Path) -> tuple[dict[str, str], dict[str, str], Counter[str]]:
    """What an undisturbed load leaves, what is left after the storm, and what the storm did."""
    rng = random.Random(seed)
    write_folder(work / "in", files, events, rng)
    calm = start(work / "calm", work / "in")
    output, _ = calm.communicate()
    if calm.returncode:
        raise SystemExit(output.decode())
    seen = storm(work / "in", work / "storm", rounds, rng)
    return answers(work / "calm"), answers(work / "storm"), seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        Path(folder).chmod(0o755)
        began = time.monotonic()
        calm, stormy, seen = compare(arguments.rounds, 40, 25_000, arguments.seed, Path(folder))
    print(
        f"{arguments.rounds} rounds in {time.monotonic() - began:.0f} s: "
        + ", ".join(f"{n} {what}" for what, n in seen.items())
    )
    for name, value in calm.items():
        print(
            f"{'equal' if value == stormy[name] else 'DIFFERENT':<10} {name}: {value}"
            + ("" if value == stormy[name] else f" / {stormy[name]}")
        )
    if calm != stormy:
        sys.exit("the warehouse differs from that of an undisturbed load")


if __name__ == "__main__":
    main()
