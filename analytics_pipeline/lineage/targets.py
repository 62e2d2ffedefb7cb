"""Where events go: a file of JSON lines, or an HTTP endpoint with an optional bearer token."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from analytics_pipeline.lineage.outbox import Refused, Unreachable
from analytics_pipeline.settings import Settings

_PATH = "/api/v1/lineage"
_SECONDS = 5
_RETRY = {
    "total": 2,
    "read": False,
    "backoff_factor": 0.3,
    "status_forcelist": [502, 503, 504],
    "allowed_methods": ["POST"],
    "raise_on_status": False,
}
"""A short trouble is waited out; what takes longer waits for the next run."""
_MAY_PASS = {401, 403, 404, 408, 425, 429}
"""Answers that are about the address, the token or the load, not about the event."""


def target_of(settings: Settings) -> tuple[str, Callable[[str], None]]:
    """The target's name without secrets, and what sends one event to it."""
    if settings.openlineage.startswith(("http://", "https://")):
        token = settings.openlineage_token
        return _endpoint(settings.openlineage, token.get_secret_value() if token else "")
    return _file(settings.openlineage)


def _file(target: str) -> tuple[str, Callable[[str], None]]:
    path = Path(unquote(urlsplit(target).path) if target.startswith("file://") else target).expanduser().absolute()

    def send(event: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(f"{event}\n")
        except OSError as error:
            raise Unreachable(f"{error.strerror}") from None

    return str(path), send


def _endpoint(url: str, token: str) -> tuple[str, Callable[[str], None]]:
    import requests
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    path = parts.path.rstrip("/") or _PATH
    auth = {"auth": {"type": "api_key", "apiKey": token}} if token else {}
    config = {"url": base, "endpoint": f"{path}?{parts.query}" if parts.query else path, "timeout": _SECONDS, "retry": _RETRY}
    transport = HttpTransport(HttpConfig.from_dict({**config, **auth}))

    def send(event: str) -> None:
        try:
            transport.emit(json.loads(event))
        except requests.HTTPError as error:
            status, reason = (error.response.status_code, error.response.reason) if error.response is not None else (0, "")
            answer = f"it answers {status} {reason}"
            if status in _MAY_PASS or status >= 500:
                raise Unreachable(answer) from None
            raise Refused(answer) from None
        except requests.RequestException as error:
            raise Unreachable(_reason(error)) from None

    return base, send


def _reason(error: Exception) -> str:
    """In a few words; the error's own text names the whole request."""
    words = {
        "ConnectTimeout": "no answer in time",
        "ReadTimeout": "no answer in time",
        "SSLError": "its certificate is not trusted",
    }
    return words.get(type(error).__name__, "it can't be reached")
