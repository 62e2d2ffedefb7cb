"""Stops the embedded server when its last client is gone, also when that client was killed.

Runs as a process of its own, on the standard library alone: `python -I supervisor.py FOLDER`. Starting the server is
not done here.
"""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

# A client that was killed while it launched the server: how long the server may take to write its pid file.
_LAUNCH_SECONDS = 2


def postmaster_pid(data: Path) -> int | None:
    """The process id of the server that runs on this data folder; None for a missing or a stale pid file.

    After a crash another program may have been given the recorded id, so the process is asked whose it is.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    proc = Path("/proc") / str(pid)
    if proc.exists():
        try:
            return pid if (proc / "cwd").resolve() == data.resolve() else None
        except OSError:
            return None
    command = os.popen(f"ps -o command= -p {pid}").read()
    return pid if "postgres" in command else None


def stop(data: Path) -> None:
    """Ask the server for a fast shutdown; one that hangs, as can happen during crash recovery, is ended harder.

    PostgreSQL recovers from each of these without loss.
    """
    pid = postmaster_pid(data)
    for how, patience in ((signal.SIGINT, 60), (signal.SIGQUIT, 20), (signal.SIGKILL, 20)):
        if pid is None or postmaster_pid(data) != pid:
            return
        os.kill(pid, how)
        end = time.monotonic() + patience
        while postmaster_pid(data) == pid and time.monotonic() < end:
            time.sleep(0.02)


def main(folder: Path) -> None:
    """Wait until nobody holds the lease, then stop the server.

    A client that arrives meanwhile waits for the lease. The supervisor's own lock goes first, so that this client sees
    that it needs a new supervisor.
    """
    with (folder / "supervisor.lock").open("a") as own, (folder / "lease").open("a") as lease:
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        fcntl.flock(lease, fcntl.LOCK_EX)
        end = time.monotonic() + _LAUNCH_SECONDS
        while postmaster_pid(folder / "data") is None and time.monotonic() < end:
            time.sleep(0.05)
        stop(folder / "data")
        fcntl.flock(own, fcntl.LOCK_UN)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
