"""Events that wait to be delivered, one file a run, below the home: what nobody takes today goes with the next run."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class Unreachable(Exception):
    """The endpoint takes nothing now; the message says why."""


class Refused(Exception):
    """The endpoint will never take this event; the message says why."""


@dataclass(frozen=True)
class Delivery:
    """What became of the events.

    Attributes:
        sent: that were taken.
        waiting: that stay, for the next time.
        refused: that were put aside, into refused.ndjson.
        error: why some were not taken.
    """

    sent: int
    waiting: int
    refused: int
    error: str = ""


def keep(folder: Path, run_id: str, events: list[str]) -> None:
    """Write the events of a run down, all of them or none."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{time.time_ns():020}-{run_id}.ndjson", events)


def deliver(folder: Path, send: Callable[[str], None]) -> Delivery:
    """Send what waits, the oldest first, and forget what was taken. One process at a time; a second one leaves it to the first.

    An event is sent again if this process is killed between sending it and noting that: catalogues know events by their runs.

    Args:
        folder: of the events.
        send: takes one event; raises Unreachable or Refused.
    """
    sent = refused = 0
    error = ""
    with _alone(folder) as is_alone:
        for path in sorted(folder.glob("[0-9]*.ndjson")) if is_alone else []:
            events = path.read_text().splitlines()
            while events:
                try:
                    send(events[0])
                    sent += 1
                except Refused as refusal:
                    with (folder / "refused.ndjson").open("a") as file:
                        file.write(f"{events[0]}\n")
                    refused, error = refused + 1, str(refusal)
                except Unreachable as reason:
                    _write(path, events)
                    return Delivery(sent, waiting(folder), refused, str(reason))
                del events[0]
            path.unlink()
    return Delivery(sent, waiting(folder), refused, error)


def waiting(folder: Path) -> int:
    """Events that have not been delivered."""
    return sum(len(path.read_text().splitlines()) for path in folder.glob("[0-9]*.ndjson"))


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False


def _write(path: Path, events: list[str]) -> None:
    partial = path.with_suffix(".part")
    with partial.open("w") as file:
        file.writelines(f"{event}\n" for event in events)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
