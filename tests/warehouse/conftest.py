"""Servers that only tests of the warehouse need."""

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
from tests.conftest import require


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
