"""The two object stores. Keys use '/', objects are written whole or not at all and never overwritten."""

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from analytics_pipeline.errors import ObjectStoreError, UsageError


@dataclass(frozen=True)
class StoredObject:
    """What a store knows of an object. version: of a versioned bucket, else None."""

    key: str
    size: int
    version: str | None = None


class ObjectStore(Protocol):
    """What the rooms use."""

    @property
    def url(self) -> str:
        """Where the keys begin, without secrets."""

    def put(self, key: str, path: Path) -> StoredObject:
        """Store a file under a new key. Raises ObjectStoreError, also if the key is taken."""

    def get(self, key: str, path: Path) -> None:
        """Fetch an object into a file. Raises ObjectStoreError."""

    def delete(self, key: str) -> None:
        """Remove an object; none there is fine. Raises ObjectStoreError."""

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects whose key begins with the prefix, in order of their keys."""


class FolderStore:
    """Objects as files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def url(self) -> str:
        return self._root.as_uri()

    def _path(self, key: str) -> Path:
        path = self._root / key
        if ".." in Path(key).parts or Path(key).is_absolute():
            raise ObjectStoreError(f"{key!r} is not a key: it leaves the store")
        return path

    def put(self, key: str, path: Path) -> StoredObject:
        target = self._path(key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
            try:
                shutil.copyfile(path, partial)
                with partial.open("rb") as stream:
                    os.fsync(stream.fileno())
                os.link(partial, target)
            finally:
                partial.unlink(missing_ok=True)
        except FileExistsError:
            raise ObjectStoreError(f"{self.url}/{key} exists: keys are never overwritten") from None
        except OSError as error:
            raise ObjectStoreError(f"{self.url}/{key} can't be written ({error.strerror})") from error
        return StoredObject(key, target.stat().st_size)

    def get(self, key: str, path: Path) -> None:
        try:
            shutil.copyfile(self._path(key), path)
        except OSError as error:
            raise ObjectStoreError(f"{self.url}/{key} can't be read ({error.strerror})") from error

    def delete(self, key: str) -> None:
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise ObjectStoreError(f"{self.url}/{key} can't be deleted ({error.strerror})") from error

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        found = (p for p in self._root.rglob("*") if p.is_file() and not p.name.startswith("."))
        for key, path in sorted((p.relative_to(self._root).as_posix(), p) for p in found):
            if key.startswith(prefix):
                yield StoredObject(key, path.stat().st_size)


class S3Store:
    """Objects in a bucket of any S3 server; credentials come from the usual AWS_* variables."""

    def __init__(self, bucket: str, prefix: str, endpoint_url: str | None) -> None:
        import boto3
        from botocore.config import Config

        self._bucket, self._prefix = bucket, prefix
        retries: Any = {"max_attempts": 5, "mode": "standard"}
        config = Config(
            retries=retries,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"} if endpoint_url else None,
        )
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        self._client = boto3.session.Session().client("s3", endpoint_url=endpoint_url, config=config, region_name=region)

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def _call(self, what: str, function: Any, **arguments: Any) -> Any:
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from urllib3.exceptions import HTTPError

        try:
            return function(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "?")
            raise ObjectStoreError(f"S3 refused to {what} ({code}): check the bucket and the AWS_* credentials") from None
        except (BotoCoreError, HTTPClientError, HTTPError, S3UploadFailedError, OSError) as error:
            raise ObjectStoreError(f"can't {what}: {error}. Check ANALYTICS_S3_ENDPOINT_URL and AWS_*") from None

    def put(self, key: str, path: Path) -> StoredObject:
        with path.open("rb") as body:
            answer = self._call(
                f"write {self.url}/{key}",
                self._client.put_object,
                Bucket=self._bucket,
                Key=self._prefix + key,
                Body=body,
                IfNoneMatch="*",
            )
        return StoredObject(key, path.stat().st_size, answer.get("VersionId"))

    def get(self, key: str, path: Path) -> None:
        answer = self._call(f"read {self.url}/{key}", self._client.get_object, Bucket=self._bucket, Key=self._prefix + key)
        with path.open("wb") as out:
            self._call(f"read {self.url}/{key}", shutil.copyfileobj, fsrc=answer["Body"], fdst=out)

    def delete(self, key: str) -> None:
        self._call(f"delete {self.url}/{key}", self._client.delete_object, Bucket=self._bucket, Key=self._prefix + key)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        token: dict[str, str] = {}
        while True:
            page = self._call(
                f"list {self.url}",
                self._client.list_objects_v2,
                Bucket=self._bucket,
                Prefix=self._prefix + prefix,
                **token,
            )
            for entry in page.get("Contents", []):
                yield StoredObject(entry["Key"].removeprefix(self._prefix), entry["Size"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}


def open_object_store(url: str, s3_endpoint_url: str | None = None) -> ObjectStore:
    """The store of a file:// or s3:// URL.

    Raises:
        UsageError: another scheme, or no bucket.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        prefix = parts.path.strip("/")
        return S3Store(parts.netloc, f"{prefix}/" if prefix else "", s3_endpoint_url)
    raise UsageError(f"ANALYTICS_OBJECT_STORE {url!r}: write file:///folder or s3://bucket/prefix")
