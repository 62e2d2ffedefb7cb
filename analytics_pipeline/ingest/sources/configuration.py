"""The sources of a home: the landing folder, and what `sources.yml` names. Reading one is in the module of its kind."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from analytics_pipeline.errors import UsageError
from analytics_pipeline.settings import Settings

LANDING = "landing"
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class _Source(BaseModel):
    """What all kinds share.

    Attributes:
        name: of the asset and its sensor.
        mapping: name of a preset, or a YAML file.
        source: the name that its events carry; default: the mapping's.
        deadline_hours: its latest event may be so old; default: ANALYTICS_DEADLINE_HOURS.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    mapping: str = "envelope"
    source: str | None = None
    deadline_hours: Annotated[int | None, Field(ge=1, le=8760)] = None


class FolderSource(_Source):
    """Files in a folder and below it."""

    kind: Literal["folder"]
    path: Path


class S3Source(_Source):
    """Objects below a prefix.

    Attributes:
        url: s3://bucket/prefix.
        endpoint_url: of servers other than AWS.
    """

    kind: Literal["s3"]
    url: str = Field(pattern=r"^s3://[^/]{3,}(/.*)?$")
    endpoint_url: str | None = None


class KafkaSource(_Source):
    """A topic, all partitions.

    Attributes:
        brokers: host:port, separated by commas.
        topic: to read.
        dead_letter_topic: gets what quarantine refuses.
        batch_records: the most that one batch takes.
        settings: of librdkafka, for instance security.protocol.
    """

    kind: Literal["kafka"]
    brokers: str
    topic: str
    dead_letter_topic: str | None = None
    batch_records: int = Field(100_000, ge=1)
    settings: dict[str, str | int | bool] = Field(default_factory=dict)


class RedisSource(_Source):
    """A stream, by a consumer group.

    Attributes:
        url: redis://...
        stream: its key.
        group: name of the consumer group; it is created.
        batch_records: the most that one batch takes.
    """

    kind: Literal["redis"]
    url: str
    stream: str
    group: str = "analytics"
    batch_records: int = Field(50_000, ge=1)


class SqlSource(_Source):
    """A table of an application's PostgreSQL.

    Attributes:
        url: postgresql://...
        table: schema.table.
        cursor: a column that grows: a serial id or a time of change. An index on it keeps the sensor cheap.
    """

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, value: str) -> str:
        """The message does not repeat the URL: it may hold a password."""
        try:
            conninfo_to_dict(value)
        except ProgrammingError:
            raise ValueError(
                "is not a PostgreSQL URL: write postgresql://user:password@host:5432/database, "
                "and @ / : in the password as %40 %2F %3A"
            ) from None
        return value

    kind: Literal["sql"]
    url: str
    table: str = Field(pattern=r"^\w+(\.\w+)?$")
    cursor: str


Source = FolderSource | S3Source | KafkaSource | RedisSource | SqlSource


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sources: dict[str, Annotated[Source, Field(discriminator="kind")]]


def load_sources(settings: Settings) -> list[Source]:
    """The landing folder first, then the sources of the file in order.

    Raises:
        UsageError: the file can't be read; names the place, the fault and the remedy.
    """
    landing = FolderSource(kind="folder", name=LANDING, path=settings.landing_dir, mapping=settings.mapping)
    path = settings.sources_file
    if path is None:
        return [landing]
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} can't be read ({error.strerror}): correct ANALYTICS_SOURCES") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not YAML: {error}") from None
    return [landing, *_sources(path, document)]


def require_source(settings: Settings, name: str) -> Source:
    """The source of this name.

    Raises:
        UsageError: there is none.
    """
    sources = {source.name: source for source in load_sources(settings)}
    if name not in sources:
        raise UsageError(f"no source {name!r}: there are {', '.join(sources)}; name others in {settings.home / 'sources.yml'}")
    return sources[name]


def _sources(path: Path, document: Any) -> list[Source]:
    if not isinstance(document, dict) or not isinstance(document.get("sources"), dict):
        raise UsageError(f"{path}: write `sources:` and below it, by name, what each is (docs/bring-your-own-events.md)")
    named = {
        name: {"name": name, **_resolved(path, name, entry)} if isinstance(entry, dict) else entry
        for name, entry in document["sources"].items()
    }
    try:
        sources = list(_Document.model_validate({"sources": named}).sources.values())
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
    if LANDING in named:
        raise UsageError(f"{path}: {LANDING!r} is the landing folder: set ANALYTICS_LANDING, or use another name")
    return sources


def _resolved(path: Path, name: str, value: Any) -> Any:
    """Put the environment's value where a text says ${NAME}, so that no secret is in the file."""
    if isinstance(value, dict):
        return {key: _resolved(path, name, item) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    missing = [variable for variable in _VARIABLE.findall(value) if variable not in os.environ]
    if missing:
        raise UsageError(f"{path}: source {name!r} needs the environment variable {missing[0]}: set it")
    return _VARIABLE.sub(lambda found: os.environ[found[1]], value)
