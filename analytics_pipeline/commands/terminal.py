"""What long work looks like on a terminal, and as plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics_pipeline.ingest.batch import Counts
    from analytics_pipeline.ingest.load import Progress

_IS_TERMINAL = sys.stdout.isatty()


def say(text: str = "") -> None:
    """A line for the user."""
    print(text, file=sys.__stdout__, flush=True)


class Steps:
    """Prints one line per finished step, with its seconds; on a terminal a live line for the one at work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def up_to_date(self, title: str, state: str) -> None:
        """A step that has nothing to do."""
        say(f"  ✓ {title:<15} {'up to date':>8}  {state}")

    def finished(self, title: str, seconds: float, summary: str) -> None:
        """A step that is done."""
        self.seconds[title] = self.seconds.get(title, 0.0) + seconds
        say(f"  ✓ {title:<15} {seconds:>6.1f} s  {summary}")

    def failed(self, title: str, seconds: float, reason: str) -> None:
        """A step that did not work."""
        say(f"  ✗ {title:<15} {seconds:>6.1f} s  {reason}")

    @contextmanager
    def working(self, title: str) -> Iterator[None]:
        """Time a step that has no summary of its own."""
        began = time.monotonic()
        with live(title):
            yield
        self.finished(title, time.monotonic() - began, "")


@contextmanager
def rows_progress(title: str, size: int) -> "Iterator[Progress]":
    """A bar with rows/s and rejects, on a terminal only.

    Args:
        title: of what is loaded.
        size: in bytes; 0 where nobody knows. Of a compressed file the bar shows the part that is sure.
    """
    if not _IS_TERMINAL:
        yield lambda counts, read_bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    began = time.monotonic()
    with Bar(*columns, console=Console(file=sys.__stdout__), transient=True) as bar:
        task = bar.add_task(title, total=size or None, state="")

        def progress(counts: "Counts", read_bytes: int) -> None:
            speed = counts.read / max(time.monotonic() - began, 1e-3)
            state = f"{counts.read:,} rows, {speed:,.0f} rows/s, {counts.quarantined:,} rejected"
            bar.update(task, advance=read_bytes, state=state)

        yield progress


@contextmanager
def live(title: str) -> Iterator[None]:
    """A spinner with the seconds, on a terminal only."""
    if not _IS_TERMINAL:
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.__stdout__), transient=True) as progress:
        progress.add_task(title, total=None)
        yield
