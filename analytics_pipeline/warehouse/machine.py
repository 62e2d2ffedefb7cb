"""What this machine offers to a server on it. Which settings suit that is in `tuning`."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What the server may use: memory in bytes, cores, and how they are known."""

    memory: int
    cores: int
    origin: str


def this_machine(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> Machine:
    """What this process may use, within the limits of the control groups that it is in (version 1 or 2)."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory, cores = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), available
    for limit in _limits(root, membership, "memory", (["memory.max"], ["memory.limit_in_bytes"])):
        if limit[0].isdigit():
            memory = min(memory, int(limit[0]))
    for quota, period in _limits(root, membership, "cpu", (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"])):
        if quota.isdigit():
            cores = min(cores, max(1, math.ceil(int(quota) / int(period))))
    return Machine(memory, cores, "of this machine")


def _limits(root: Path, membership: Path, controller: str, files: tuple[list[str], list[str]]) -> Iterator[list[str]]:
    """The words in these files (of version 2, of version 1), for each group from the process's own to the outermost."""
    for line in membership.read_text().splitlines() if membership.exists() else []:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base, names = (root / controller, files[1]) if controllers else (root, files[0])
        own = base / path.strip("/")
        for group in (own, *own.parents):
            if group.is_relative_to(base) and all((group / name).is_file() for name in names):
                yield " ".join((group / name).read_text() for name in names).split()
