"""The Apache edition of TimescaleDB for the tests: Debian's packages, unpacked into the cache of this user and run from there.

Nothing is installed. apt fetches them from the mirror that this machine uses and checks their signatures; they bring their own
C library and loader, so that older releases run them, too. `python -m tests.timescaledb.apache_server` does it ahead of the
tests; remove the folder that it names to fetch newer packages. Which tests run here: tests/warehouse/test_apache_edition.py.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from analytics_pipeline.warehouse import embedded, ownership
from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.migrate import migrate

_SUITE, _MAJOR = "trixie", 17
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# The server, and every library that it or initdb opens. apt can't be asked: it would take 91 packages, for Perl and LLVM.
_PACKAGES = f"""
postgresql-{_MAJOR} postgresql-{_MAJOR}-timescaledb
libaudit1 libc6 libcap-ng0 libcap2 libcom-err2 libgcc-s1 libgssapi-krb5-2 libicu76 libk5crypto3 libkeyutils1 libkrb5-3
libkrb5support0 libldap2 liblz4-1 liblzma5 libpam0g libpq5 libsasl2-2 libssl3t64 libstdc++6 libsystemd0 libxml2 libzstd1 zlib1g
""".split()
_UNUSED = (f"usr/lib/postgresql/{_MAJOR}/lib/bitcode", "usr/share/doc", "usr/share/locale", "usr/share/man")
_APT = """
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/mirror.sources";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
# initdb starts postgres by its path: so both are scripts, and the programs are beside them.
_LAUNCHER = """#!/bin/sh
root=${0%/usr/lib/postgresql/*}
for libraries in "$root"/usr/lib/*-linux-gnu*; do :; done
for loader in "$libraries"/ld-linux*.so.*; do :; done
exec "$loader" --inhibit-cache --library-path "$libraries" --argv0 "$0" "$0.elf" "$@"
"""
# The server ends when the pipe of the test worker does: also when that is killed. $0 is the server's pid file.
_ATTACHED = 'exec 3<&0; { read -r _ <&3; kill -INT "$(head -n 1 "$0")"; } & exec "$@" </dev/null 3<&-'
_SETTINGS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "0",
    "listen_addresses": "",
    "port": "5432",
    "fsync": "off",
    "shared_buffers": "128MB",
    "work_mem": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
_FETCH_SECONDS, _START_SECONDS = 300, 60


class PackagesMissing(Exception):
    """The packages are not here; the message says why."""


def installation() -> Path:
    """Where the packages are, or will be.

    Where root's server is an ordinary user's process, that user has to reach them, and root's own cache is closed.
    """
    closed = os.geteuid() == 0 and not ownership.has_user_namespaces()
    cache = os.environ.get("XDG_CACHE_HOME") or ("/var/cache" if closed else Path.home() / ".cache")
    return Path(cache) / "analytics-pipeline-tests" / f"timescaledb-apache-{_MAJOR}"


def prepare() -> Path:
    """Fetch and unpack the packages, once, whichever process comes first.

    Returns:
        The folder of PostgreSQL's programs.

    Raises:
        PackagesMissing: this machine can't get them; the message says why.
    """
    root = installation()
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            partial = root.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                _unpack(_fetch(partial / "apt"), partial / "root")
                (partial / "root").rename(root)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return root / "usr" / "lib" / "postgresql" / str(_MAJOR) / "bin"


def _fetch(folder: Path) -> list[Path]:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None or not _KEYRING.exists():
        raise PackagesMissing(f"its packages are Debian's, and this machine lacks apt-get, dpkg-deb or {_KEYRING}")
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "apt.conf").write_text(_APT.format(folder=folder))
    reasons = []
    for mirror in _mirrors():
        (folder / "mirror.sources").write_text(
            f"Types: deb\nURIs: {mirror}\nSuites: {_SUITE}\nComponents: main\nSigned-By: {_KEYRING}\n"
        )
        try:
            _run("apt-get", f"--config-file={folder / 'apt.conf'}", "--quiet", "update", cwd=folder)
            _run("apt-get", f"--config-file={folder / 'apt.conf'}", "--quiet", "download", *_PACKAGES, cwd=folder)
            return sorted(folder.glob("*.deb"))
        except PackagesMissing as error:
            reasons.append(str(error))
    raise PackagesMissing(f"no mirror of this machine's apt gives the packages: {'; '.join(reasons) or 'it has none'}")


def _mirrors() -> list[str]:
    """The addresses in this machine's own apt configuration, those of security updates left out."""
    listed = _run("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages", cwd=Path("/"))
    lines = (line.split(maxsplit=1) for line in listed.splitlines())
    return list(dict.fromkeys(uri for release, uri in lines if "security" not in release))


def _run(*command: str, cwd: Path) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise PackagesMissing(f"{command[0]} took longer than {_FETCH_SECONDS} s") from None
    if done.returncode != 0:
        raise PackagesMissing(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def _unpack(packages: list[Path], root: Path) -> None:
    for package in packages:
        _run("dpkg-deb", "--extract", str(package), str(root), cwd=package.parent)
    for name in _UNUSED:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("initdb", "postgres"):
        program = root / "usr" / "lib" / "postgresql" / str(_MAJOR) / "bin" / name
        program.rename(program.with_suffix(".elf"))
        program.write_text(_LAUNCHER)
        program.chmod(0o755)


class ApacheServer:
    """A server of this test worker. Each test has a database of its own."""

    def __init__(self, folder: Path) -> None:
        """Create and start it.

        Args:
            folder: private, for its data.

        Raises:
            PackagesMissing: as `prepare` does.
        """
        programs, data, socket = prepare(), folder / "data", embedded.socket_dir(folder)
        owner = ownership.owner_of(folder)
        for path in (data, socket):
            ownership.new_folder(path, owner)
        create = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        # As the embedded server is created: the same text is in the same order.
        create += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(ownership.as_owner(folder, create), cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"initdb failed: {done.stdout}{done.stderr}"
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        serve = ownership.as_owner(folder, [str(programs / "postgres"), "-D", str(data), "-k", str(socket), *settings])
        self._log = folder / "log"
        with self._log.open("w") as log:
            attached = ["/bin/sh", "-c", _ATTACHED, str(data / "postmaster.pid"), *serve]
            self._process = subprocess.Popen(attached, cwd="/", stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._url = f"postgresql://postgres@/{{}}?host={quote(str(socket), safe='')}&port={_SETTINGS['port']}"
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self._url.format("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                last = self._log.read_text()[-2000:]
                if self._process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise AssertionError(f"the server did not start: {error}\n{last}") from None
            time.sleep(0.05)

    @contextmanager
    def database(self) -> Iterator[str]:
        """URL of an empty one."""
        name = f"test_{uuid.uuid4().hex}"
        self._execute("create database {}", name)
        try:
            yield self._url.format(name)
        finally:
            self._execute("drop database {} with (force)", name)

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse]:
        """An empty, migrated one."""
        with self.database() as url:
            migrate(url)
            yield Warehouse(url, is_embedded=False)

    def stop(self) -> None:
        """At once; what still runs is rolled back."""
        self._process.send_signal(signal.SIGINT)
        self._process.communicate()

    def _execute(self, statement: str, name: str) -> None:
        with psycopg.connect(self._url.format("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


if __name__ == "__main__":
    print(prepare())
