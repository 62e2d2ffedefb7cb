"""The server settings that suit a machine and this work: nightly bulk builds, COPY loads, a few readers. Rules only.

The formulas are those of pgtune's profile for data warehouses and of timescaledb-tune, which agree on most; the comments say
where the two or this module part. SSDs are assumed. Asking a server and printing are in `commands.tune`.
"""

import re
from dataclasses import dataclass
from typing import Literal, LiteralString

from analytics_pipeline.warehouse.connection import Capabilities

MB, GB = 1 << 20, 1 << 30
LEAST_MEMORY, MOST_MEMORY, MOST_CORES = 512 * MB, 16384 * GB, 1024
"""Within these, every value stays in the range that the server allows."""

TIMESCALE_WORKERS = 16
RELATIONS_PER_CHUNK = 6
"""A chunk, its two indexes, its part in the columnstore with an index, and one to spare."""

_BUSY_CONNECTIONS = 40
_VACUUMS_AT_ONCE = 3
_MOST_TO_SORT = 2047 * MB
"""Servers on Windows and on 32 bits take less than 2 GB before PostgreSQL 18."""

_UNITS = {None: 1, "B": 1, "kB": 1 << 10, "MB": MB, "GB": GB, "TB": 1 << 40}


@dataclass(frozen=True)
class Suggestion:
    """One setting.

    Attributes:
        value: as `alter system` takes it; memory with its unit (1 GB is 2**30 bytes).
        reason: one sentence.
        fit: which other numbers are as good; "about" is a quarter more or a fifth less.
        also_fine: words that are as good.
    """

    name: LiteralString
    value: str
    reason: str
    fit: Literal["about", "at least", "at most"] = "about"
    also_fine: tuple[str, ...] = ()

    def suits(self, current: str) -> bool:
        """Whether a server's value, as `current_setting` shows it, needs no change."""
        wanted, there = magnitude(self.value), magnitude(current)
        if wanted is None or there is None:
            return current in (self.value, *self.also_fine)
        if self.fit == "about":
            return 0.8 * wanted <= there <= 1.25 * wanted
        return there >= wanted if self.fit == "at least" else there <= wanted


def suggest(
    memory: int,
    cores: int,
    can: Capabilities,
    connections: int,
    chunks: int,
    *,
    has_lz4: bool = True,
    timescale_workers: int | None = TIMESCALE_WORKERS,
) -> list[Suggestion]:
    """All settings that matter, in the order in which a person would read them.

    Args:
        memory: that the server may use, in bytes; LEAST_MEMORY to MOST_MEMORY.
        cores: that the server may use; 1 to MOST_CORES.
        can: what the server is.
        connections: its max_connections. At most 40 of them, pgtune's number for a warehouse, are taken to work at once.
        chunks: of all hypertables, or partitions of all tables.
        has_lz4: whether the server was built with lz4.
        timescale_workers: the present timescaledb.max_background_workers, never lowered; None where nothing has that name.
    """
    busy = min(connections, _BUSY_CONNECTIONS)
    has_jobs = can.timescaledb != "none" and timescale_workers is not None
    workers = max(TIMESCALE_WORKERS, timescale_workers or 0) if has_jobs else 0
    return [
        *_memory(memory, cores, busy),
        *_log(memory, has_lz4),
        *_planner(can.server_version),
        *_workers(cores, workers),
        _locks(memory, connections, busy, chunks),
        *_vacuum(),
    ]


def magnitude(value: str) -> float | None:
    """Bytes of '64MB', the number of '0.9', None for words."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?) ?(B|kB|MB|GB|TB)?", value)
    return float(found[1]) * _UNITS[found[2]] if found else None


def size(count: float) -> str:
    """Bytes as a setting, rounded down to MB."""
    megabytes = int(count) // MB
    return f"{megabytes // 1024}GB" if megabytes % 1024 == 0 and megabytes else f"{megabytes}MB"


def _memory(memory: int, cores: int, busy: int) -> list[Suggestion]:
    shared = memory // 4
    # pgtune allows 8 GB; timescaledb-tune's bound is safer, as each vacuum at work may take as much.
    maintenance = min(memory // 8, _MOST_TO_SORT)
    # pgtune's formula: every connection and parallel worker sorts or hashes three times at once, and half is left free.
    work = min(max((memory - shared) // ((busy + cores) * 3 * 2), 4 * MB), _MOST_TO_SORT)
    cache = f"the planner reckons with {size(memory * 3 // 4)} in both caches, and reads by index what it believes to be there"
    sort = f"the memory suffices for {busy} connections and {cores} parallel workers that sort and hash at once"
    upkeep = f"index builds and the columnstore's compression sort in it, and {_VACUUMS_AT_ONCE} vacuums may take as much each"
    return [
        Suggestion("shared_buffers", size(shared), "a quarter of the memory; the rest caches files, which bulk scans live on"),
        Suggestion("effective_cache_size", size(memory * 3 // 4), cache),
        Suggestion("work_mem", size(work), sort),
        Suggestion("maintenance_work_mem", size(maintenance), upkeep),
    ]


def _log(memory: int, has_lz4: bool) -> list[Suggestion]:
    # pgtune says 16 GB for any warehouse; on a small machine that is much of the disk, and long to recover.
    most = min(max(memory, 2 * GB), 16 * GB)
    words = ("on", "pglz", "lz4", "zstd")
    images = "after each checkpoint the log carries whole pages, which shrink to a fraction"
    images += "" if has_lz4 else " (this server was built without lz4)"
    reported = "what is reported as committed is on disk, as loading exactly once demands; few large commits wait little"
    flushed = ("local", "remote_write", "remote_apply")
    return [
        Suggestion("max_wal_size", size(most), "checkpoints do not cut a bulk load; the disk needs as much room", "at least"),
        Suggestion("min_wal_size", size(most // 4), "a nightly build reuses log files, which stay on the disk", "at least"),
        Suggestion("checkpoint_completion_target", "0.9", "writes are spread over the time between checkpoints", "at least"),
        Suggestion("wal_compression", "lz4" if has_lz4 else "on", images, also_fine=words),
        Suggestion("synchronous_commit", "on", reported, also_fine=flushed),
    ]


def _planner(server_version: int) -> list[Suggestion]:
    # From PostgreSQL 18 reads are asynchronous, and 16 is its default, measured on SSDs; before, it counted posix_fadvise.
    depth = "16" if server_version >= 180000 else "200"
    return [
        Suggestion("random_page_cost", "1.1", "an SSD, which is assumed, reads any page about as fast as the next one"),
        Suggestion("effective_io_concurrency", depth, "an SSD, which is assumed, answers many reads at once", "at least"),
        Suggestion(
            "default_statistics_target",
            "500",
            "skewed columns are estimated well, from a sample five times the default's",
            "at least",
        ),
        Suggestion("jit", "off", "plans over many chunks are compiled chunk by chunk, which takes longer than it saves"),
    ]


def _workers(cores: int, timescale: int) -> list[Suggestion]:
    # One core gains nothing by parallel plans; the references, which say nothing of it, would leave two workers.
    half = (cores + 1) // 2 if cores > 1 else 0
    processes = max(cores + timescale + 3, 8)
    covered = f"{cores} parallel workers" + (f", {timescale} background workers of TimescaleDB" if timescale else "")
    jobs = Suggestion(
        "timescaledb.max_background_workers",
        str(timescale),
        "one scheduler per database, and policies that all come due at once after the nightly build",
        "at least",
    )
    return [
        Suggestion("max_worker_processes", str(processes), f"covers {covered} and 3 for the server's own", "at least"),
        Suggestion("max_parallel_workers", str(cores), "one per core: more would take turns"),
        Suggestion("max_parallel_workers_per_gather", str(half), "one query takes half of the cores and leaves half to others"),
        Suggestion("max_parallel_maintenance_workers", str(min(half, 4)), "index builds gain little from more than four"),
        *([jobs] if timescale else []),
    ]


def _locks(memory: int, connections: int, busy: int, chunks: int) -> Suggestion:
    """The lock table has max_locks_per_transaction * max_connections entries, whoever takes them."""
    by_memory = next(locks for least, locks in ((32, 512), (16, 256), (8, 128), (0, 64)) if memory >= least * GB)
    needed = -(-RELATIONS_PER_CHUNK * chunks * busy // connections)
    locks = max(by_memory, -(-needed // 64) * 64)
    room = locks * connections // (busy * RELATIONS_PER_CHUNK)
    reason = f"a query locks its chunks and their indexes: {busy} at once can read {room:,} chunks each, of {chunks:,} today"
    return Suggestion("max_locks_per_transaction", str(locks), reason, "at least")


def _vacuum() -> list[Suggestion]:
    grown = "chunks only ever grow, and by default up to a sixth of each waits for its vacuum until rows must be frozen"
    loaded = "a day that was just loaded is soon known to the planner, also where the history is long"
    return [
        Suggestion("autovacuum_vacuum_insert_scale_factor", "0.05", grown, "at most"),
        Suggestion("autovacuum_analyze_scale_factor", "0.05", loaded, "at most"),
    ]
