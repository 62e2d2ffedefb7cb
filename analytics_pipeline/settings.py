"""Every setting, in one typed model, from the environment and `.env`.

What a product means (events, KPIs, time zone) is not a setting: it is in the tracking plan.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from analytics_pipeline.errors import UsageError


class Settings(BaseSettings):
    """The settings of one home: one product, one plan, one database, one Dagster instance."""

    model_config = SettingsConfigDict(
        env_prefix="ANALYTICS_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(Path(".analytics"), description="Folder for everything that is kept on this machine.")
    database_url: SecretStr | None = Field(None, description="postgresql:// URL. Unset: the embedded server.")
    timescaledb: Literal["auto", "off", "require"] = Field(
        "auto", description="auto: used where the server has it. off: never. require: fail without the community edition."
    )
    object_store: str = Field("", description="file:///folder or s3://bucket/prefix. Unset: $ANALYTICS_HOME/lake.")
    s3_endpoint_url: str | None = Field(None, description="For S3 servers other than AWS.")
    tracking_plan: str = Field("", description="Path or name of the plan. Unset: the published one, or the sample's.")
    landing: Path | None = Field(None, description="Folder watched for event files. Unset: $ANALYTICS_HOME/landing.")
    sources: Path | None = Field(None, description="YAML file of further sources. Unset: $ANALYTICS_HOME/sources.yml.")
    mapping: str = Field("envelope", description="Mapping used for files in the landing folder.")
    actor: str = Field("", description="Who the audit log names. Unset: the user of the operating system.")
    deadline_hours: int = Field(
        26, ge=1, le=8760, description="Sources without a deadline of their own, and published numbers, may be so old."
    )
    hot_days: int = Field(30, ge=1, le=3650, description="Days of raw events that are kept out of the Parquet tier.")
    alert_webhook_url: SecretStr | None = Field(None, description="Slack-compatible incoming webhook that alerts go to.")
    smtp_url: SecretStr | None = Field(None, description="smtp:// or smtps://user:password@host:port, for alerts by e-mail.")
    alert_email: str = Field("", description="Addresses with commas between, for owners who have none in the plan.")
    alert_sender: str = Field("", description="Address that alerts come from. Unset: the user of the SMTP URL.")
    openlineage: str = Field("", description="File of JSON lines, or http(s) URL, for OpenLineage events. Unset: none.")
    openlineage_token: SecretStr | None = Field(None, description="Bearer token of that URL.")
    alert_file: Path | None = Field(None, description="Alerts as JSON lines. Unset: $ANALYTICS_HOME/alerts.ndjson.")

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return Path(os.path.abspath(value.expanduser()))

    @field_validator("database_url", mode="after")
    @classmethod
    def _is_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        scheme, _, rest = value.get_secret_value().partition("://")
        if scheme not in {"postgresql", "postgres"} or not rest:
            raise ValueError("is not a PostgreSQL URL: use postgresql://user:password@host:5432/database")
        try:
            parts = conninfo_to_dict(value.get_secret_value())
        except ProgrammingError:
            parts = {}
        where = f"{parts.get('host', '')}{parts.get('dbname', '')}"
        if not parts.get("dbname") or "@" in where or rest.partition("?")[0].count("@") > 1:
            raise ValueError(
                "can't be read, or names no database: use postgresql://user:password@host:5432/database, and write "
                "@ / : % # ? and spaces in the password as %40 %2F %3A %25 %23 %3F %20"
            )
        return value

    @field_validator("openlineage", mode="after")
    @classmethod
    def _is_file_or_endpoint(cls, value: str) -> str:
        scheme, separator, _ = value.partition("://")
        if separator and scheme not in {"file", "http", "https"}:
            raise ValueError("is neither a file nor a web address: use a path or http://host:5000")
        if scheme in {"http", "https"} and separator:
            if not _has_host(SecretStr(value), {"https", "http"}):
                raise ValueError("is not a web address: use one such as http://host:5000")
            if "@" in urlsplit(value).netloc:
                raise ValueError("holds a user or password: put a token into ANALYTICS_OPENLINEAGE_TOKEN")
        return value

    @field_validator("alert_webhook_url", mode="after")
    @classmethod
    def _is_web(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _has_host(value, {"https", "http"}):
            raise ValueError(
                "is not a web address: use that of an incoming webhook, such as https://hooks.slack.com/services/T000/B000/XXXX"
            )
        return value

    @field_validator("smtp_url", mode="after")
    @classmethod
    def _is_smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _has_host(value, {"smtp", "smtps"}):
            raise ValueError(
                "is not an SMTP address: use smtp://user:password@host:587 or smtps://user:password@host:465, and write "
                "@ / : % # ? and spaces in the password as %40 %2F %3A %25 %23 %3F %20"
            )
        if value is not None and urlsplit(value.get_secret_value()).query not in {"", "starttls=never"}:
            raise ValueError("has an unknown option: only ?starttls=never can be added, or nothing")
        return value

    @field_validator("alert_email", "alert_sender", mode="after")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        for address in filter(None, value.replace(",", " ").split()):
            name, _, domain = address.rpartition("@")
            if not name or not domain or "@" in name or "<" in address:
                raise ValueError(f"{address!r} is not an e-mail address: write name@example.com, with commas between several")
        return value

    @cached_property
    def alert_emails(self) -> list[str]:
        """Addresses for owners who have none in the plan."""
        return self.alert_email.replace(",", " ").split()

    @cached_property
    def alert_log(self) -> Path:
        """The file that alerts are appended to."""
        return Path(os.path.abspath(self.alert_file)) if self.alert_file else self.home / "alerts.ndjson"

    @cached_property
    def landing_dir(self) -> Path:
        """The folder that is watched for event files."""
        return Path(os.path.abspath(self.landing)) if self.landing else self.home / "landing"

    @cached_property
    def sources_file(self) -> Path | None:
        """The file of further sources; None where there is none."""
        default = self.home / "sources.yml"
        return self.sources or (default if default.exists() else None)

    @cached_property
    def object_store_url(self) -> str:
        """Where the Parquet tier is written."""
        return self.object_store or (self.home / "lake").as_uri()

    @cached_property
    def dbt_target(self) -> Path:
        """dbt's target folder: manifest, compiled SQL, docs."""
        return self.home / "dbt" / "target"

    @cached_property
    def report_dir(self) -> Path:
        """The report site."""
        return self.home / "reports"

    @cached_property
    def sample_marker(self) -> Path:
        """Exists when this home was filled by `demo`."""
        return self.home / "sample.json"


def _has_host(url: SecretStr, schemes: set[str]) -> bool:
    """Whether it can be read, with at most one user; a password that isn't written in percents would be taken for a host."""
    text = url.get_secret_value()
    try:
        parts = urlsplit(text)
        readable = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    rest = text.partition("://")[2]
    beyond = rest.partition("@")[2] or rest
    return readable and rest.count("@") <= 1 and "@" not in parts.path + parts.query and not set(beyond) & set(" #")


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment.

    Raises:
        UsageError: a value can't be used; names the variable, the value's fault and the remedy.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "ANALYTICS_" + "_".join(str(part) for part in first["loc"]).upper()
        fault = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{name}: {fault}. Correct it in the environment or in .env") from None
