"""Posts to a Slack-compatible incoming webhook. Its address is a secret: who has it can write into the channel."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from analytics_pipeline.delivery.messages import Message, chat_text
from analytics_pipeline.delivery.outcome import DELIVERED, Outcome, down, said, unreachable

_SECONDS = 5.0
_TRY_AGAIN = {408, 425, 429}


def post(url: str, message: Message) -> Outcome:
    """Send one message.

    Args:
        url: of the webhook.
        message: what is told.
    """
    import requests

    try:
        with requests.post(
            url, json={"text": chat_text(message)}, timeout=_SECONDS, allow_redirects=False, stream=True
        ) as response:
            if response.ok and not response.is_redirect:
                return DELIVERED
            answer = response.raw.read(1000, decode_content=True)
    except requests.Timeout:
        return down(f"no answer within {_SECONDS:.0f} s")
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        return unreachable(error, _SECONDS)
    except (requests.RequestException, ValueError) as error:
        return Outcome("given_up", f"the request can't be made ({type(error).__name__}): check ANALYTICS_ALERT_WEBHOOK_URL")
    parts = urlsplit(url)
    words = said(answer, [url, parts.path.strip("/"), *(s for s in parts.path.split("/") if len(s) > 7), parts.query])
    reason = f"HTTP {response.status_code}" + (f": {words}" if words else "")
    if response.status_code in _TRY_AGAIN or response.status_code >= 500:
        return down(reason, _seconds_of(response.headers.get("Retry-After")))
    return Outcome("given_up", reason)


def _seconds_of(value: str | None) -> float | None:
    """Retry-After: a number of seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
