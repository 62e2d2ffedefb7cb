"""How OpenLineage names the data behind an asset, by its naming conventions for PostgreSQL, files, S3, Kafka and Redis."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from analytics_pipeline.lineage.facts import Key

_SCHEMAS = {"raw", "config", "ops", "ml", "live", "marts", "kpi"}
_SEVERAL_TABLES: dict[Key, str] = {("config", "tracking_plan"): "plan", ("ops", "builds"): "builds"}
"""Assets that stand for several tables of their schema, whose columns are named with their table; with the main one."""


@dataclass(frozen=True)
class Dataset:
    """A namespace, which says where, and a name in it."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Datasets:
    """Names of datasets.

    Attributes:
        place: of the warehouse: host:port/database.
        uris: of assets that are no tables of the warehouse.
    """

    place: str
    uris: dict[Key, str]

    @property
    def namespace(self) -> str:
        """Of the warehouse. A socket's folder is no address: it is this machine's."""
        host = self.place.rpartition("/")[0]
        return f"postgres://localhost:{host.rpartition(':')[2]}" if host.startswith("/") else f"postgres://{host}"

    def table(self, schema: str, name: str) -> Dataset:
        """A table of the warehouse."""
        return Dataset(self.namespace, f"{self.place.rpartition('/')[2]}.{schema}.{name}")

    def of(self, key: Key) -> Dataset | None:
        """The data of an asset; None for one that has none, such as a gate."""
        if key in self.uris:
            return of_uri(self.uris[key])
        if len(key) != 2 or not (key[0] in _SCHEMAS or key[0].startswith("build_")):
            return None
        return self.table(key[0], _SEVERAL_TABLES.get(key, key[1]))

    def column(self, key: Key, column: str) -> tuple[Dataset, str] | None:
        """The dataset and the column that a dependency between columns means."""
        table, dot, name = column.partition(".")
        if dot and key in _SEVERAL_TABLES:
            return self.table(key[0], table), name
        dataset = self.of(key)
        return (dataset, column) if dataset else None


def of_uri(uri: str) -> Dataset | None:
    """What a URL names, such as s3://bucket/key, kafka://host:port/topic or postgres://host:port/database/schema.table."""
    parts = urlsplit(uri)
    path = unquote(parts.path).strip("/")
    if parts.scheme == "file":
        return Dataset("file", "/" + path)
    if parts.scheme == "postgres":
        database, _, table = path.partition("/")
        return Dataset(f"postgres://{parts.netloc}", f"{database}.{table if '.' in table else f'public.{table}'}")
    if parts.scheme in {"s3", "kafka", "redis"} and parts.netloc:
        return Dataset(f"{parts.scheme}://{parts.netloc}", path or "/")
    return None
