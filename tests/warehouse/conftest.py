"""Servers that only tests of the warehouse need.

Tests that use the fixture `warehouse`, `connection` or `planned` run twice: on the embedded server and on a community TimescaleDB.
Two markers say otherwise, with the reason: `only_on`, where a test is about one of the two; `own_server`, where it needs of
TimescaleDB what the one in WebAssembly can't do, and so runs on a native one only.
"""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics_pipeline.errors import ObjectStoreError
from analytics_pipeline.object_store import S3Store
from analytics_pipeline.warehouse.connection import Warehouse
from tests.conftest import missing, require
from tests.timescaledb.servers import NativeServer, ServerMissing, WasmServer, install

NATIVE_URL = "ANALYTICS_TEST_TIMESCALEDB_URL"
SERVERS = ("embedded", "timescaledb")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only_on(server, why): a test about embedded, or about timescaledb")
    config.addinivalue_line("markers", f"own_server(why): on TimescaleDB a test for a native server, which {NATIVE_URL} names")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A run for each server that a test is about."""
    if "warehouse" not in metafunc.fixturenames:
        return
    only = metafunc.definition.get_closest_marker("only_on")
    servers = [server for server in SERVERS if only is None or server == only.args[0]]
    metafunc.parametrize("warehouse", servers, indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """What needs a native TimescaleDB is skipped by name without one, and not in silence."""
    own = item.get_closest_marker("own_server")
    if own is None or os.environ.get(NATIVE_URL) or not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return
    if item.callspec.params.get("warehouse") == "timescaledb":
        reason = f"NOBODY CHECKED THIS ON TIMESCALEDB, for which {NATIVE_URL} has to name a native server: {own.args[0]}"
        item.add_marker(pytest.mark.skip(reason))


@pytest.fixture
def warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """A migrated, empty one on the server of this run."""
    if request.param == "embedded":
        yield request.getfixturevalue("embedded_warehouse")
    else:
        with request.getfixturevalue("timescaledb").warehouse() as warehouse:
            yield warehouse


@pytest.fixture(scope="session")
def timescaledb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeServer | WasmServer]:
    """The native server that is named, or one of this worker in WebAssembly."""
    if url := os.environ.get(NATIVE_URL):
        yield NativeServer(url)
        return
    node, npm = (require(program, "the warehouse works on TimescaleDB") for program in ("node", "npm"))
    try:
        install(npm)
    except ServerMissing as error:
        missing(f"nobody checked that the warehouse works on TimescaleDB: {error}")
    server = WasmServer(node, tmp_path_factory.mktemp("timescaledb"))
    yield server
    server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server with credentials."""
    weed = require("weed", "the S3 store works on a real server")
    folder = tmp_path_factory.mktemp("weed")
    port = free_port()
    keys = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "tester-secret", "S3_BUCKET": "lake"}
    ports = [f"-{name}={free_port()}" for name in ("master.port", "volume.port", "filer.port", "webdav.port", "admin.port")]
    ports += [f"-{name}={free_port()}" for name in ("master.port.grpc", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc")]
    ports += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [weed, "mini", f"-dir={folder}", f"-s3.port={port}", "-ip=127.0.0.1", *ports],
            env={**os.environ, **keys}, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    old = {k: os.environ.get(k) for k in keys}
    os.environ.update(keys)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        wait_for_bucket(endpoint, folder / "log", process)
        yield endpoint
    finally:
        process.terminate()
        process.wait(timeout=30)
        for key, value in old.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def wait_for_bucket(endpoint: str, log: Path, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(endpoint, timeout=1)
        except urllib.error.HTTPError:
            try:
                list(S3Store("lake", "", endpoint).list())
                return
            except ObjectStoreError:
                pass
        except OSError:
            pass
        time.sleep(0.3)
    raise AssertionError(f"weed did not start: {log.read_text()[-1500:]}")
