"""The embedded server on good and on bad days. Each test has a home and processes of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analytics_pipeline.errors import WarehouseUnavailable
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse import embedded, ownership, supervisor
from analytics_pipeline.warehouse.connection import open_warehouse
from tests.conftest import missing

HOLD = """
import sys, time
from pathlib import Path
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse
from tests.conftest import missing
with open_warehouse(Settings(home=Path(sys.argv[1]))) as warehouse, warehouse.connect() as connection:
    print(connection.execute("select 'ready'").fetchone()[0], flush=True)
    sys.stdin.read()
"""


def client(home: Path, prefix: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    command = [*prefix, sys.executable, "-c", HOLD, str(home)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")


def ready(process: "subprocess.Popen[str]") -> bool:
    assert process.stdout is not None
    return process.stdout.readline().strip() == "ready"


def leave(process: "subprocess.Popen[str]") -> None:
    process.communicate("")
    assert process.returncode == 0


def require_packages_that_all_may_read() -> None:
    packages = Path(embedded.__file__)
    if not all(
        folder.stat().st_mode & 0o005 == 0o005 for folder in (Path(sys.prefix), *Path(sys.prefix).parents, *packages.parents)
    ):
        missing(
            f"{sys.prefix} or {packages.parent} is closed to other users, so nobody checked that the server runs as one of them"
        )


def server(home: Path) -> int | None:
    return supervisor.postmaster_pid(home / "postgres" / "data")


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_clients_that_start_at_once_share_one_server_which_stops_after_the_last(tmp_path: Path) -> None:
    clients = [client(tmp_path) for _ in range(3)]
    assert all(ready(c) for c in clients)
    pid = server(tmp_path)
    assert pid is not None
    leave(clients[0])
    leave(clients[1])
    time.sleep(0.5)
    assert server(tmp_path) == pid
    leave(clients[2])
    assert eventually(lambda: server(tmp_path) is None)


def test_the_server_stops_too_when_its_last_client_is_killed(tmp_path: Path) -> None:
    only = client(tmp_path)
    assert ready(only)
    only.kill()
    assert eventually(lambda: server(tmp_path) is None)


def test_a_killed_server_recovers_with_all_that_was_committed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with open_warehouse(settings) as warehouse:
        with warehouse.connect(autocommit=True) as connection:
            connection.execute("create table kept as select 7 as n")
        pid = server(tmp_path)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: server(tmp_path) is None)
    with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
        assert connection.execute("select n from kept").fetchone() == (7,)


def test_a_pid_file_that_names_another_living_process_does_not_stop_the_start(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with open_warehouse(settings):
        pid_file = (tmp_path / "postgres" / "data" / "postmaster.pid").read_text()
    assert eventually(lambda: server(tmp_path) is None)
    lines = pid_file.splitlines()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "postgres" / "data" / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()


def test_a_start_that_was_killed_half_way_is_started_over(tmp_path: Path) -> None:
    first = client(tmp_path)
    assert eventually(lambda: (tmp_path / "postgres" / "data.partial").exists() or (tmp_path / "postgres" / "data").exists())
    first.kill()
    first.wait()
    second = client(tmp_path)
    assert ready(second)
    leave(second)


def test_a_home_with_a_long_path_and_odd_characters_works(tmp_path: Path) -> None:
    home = tmp_path / ("a folder & 100% of names " + "x" * 90)
    with open_warehouse(Settings(home=home)) as warehouse, warehouse.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_has_a_server_of_their_own() -> None:
    require_packages_that_all_may_read()
    home = Path("/tmp") / f"analytics-test-{os.getpid()}-{time.monotonic_ns()}"
    home.mkdir()
    os.chown(home, 65534, 65534)
    keep = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *keep, "--")
    process = client(home, prefix)
    try:
        assert ready(process), process.stderr.read() if process.stderr else ""
        assert (home / "postgres" / "data").stat().st_uid == 65534
        leave(process)
    finally:
        process.kill()
        eventually(lambda: server(home) is None)
        subprocess.run(["rm", "-rf", str(home)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that nobody else may enter")
@pytest.mark.parametrize("namespaces", [True, False])
def test_root_has_a_server_with_and_without_user_namespaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, namespaces: bool
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    if not namespaces:
        require_packages_that_all_may_read()
    monkeypatch.setattr(ownership, "has_user_namespaces", lambda: namespaces)
    with open_warehouse(Settings(home=private)) as warehouse, warehouse.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert ((private / "postgres" / "data").stat().st_uid == 0) == namespaces


def test_a_socket_lock_left_by_a_crash_does_not_stop_the_start(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with open_warehouse(settings):
        lock = (embedded.socket_dir(tmp_path / "postgres") / ".s.PGSQL.5432.lock").read_text()
    assert eventually(lambda: server(tmp_path) is None)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        left = embedded.socket_dir(tmp_path / "postgres") / ".s.PGSQL.5432.lock"
        left.write_text("\n".join([str(stranger.pid), *lock.splitlines()[1:]]) + "\n")
        with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        stranger.kill()


def test_no_folder_outside_of_the_home_changes_its_permissions(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    before = private.stat()
    with open_warehouse(Settings(home=private / "home")):
        pass
    after = private.stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)


def test_data_of_another_version_is_left_alone_with_a_clear_error(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(WarehouseUnavailable, match="PostgreSQL 15"), embedded.acquire(tmp_path):
        pass


def test_an_external_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="postgresql://me:secret@127.0.0.1:1/warehouse")  # type: ignore[arg-type]
    with pytest.raises(WarehouseUnavailable) as caught, open_warehouse(settings):
        pass
    assert "127.0.0.1:1/warehouse" in str(caught.value)
    assert "secret" not in str(caught.value)
