"""What became of one attempt to deliver a message, in words that hold no secret."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_LONGEST = 300


@dataclass(frozen=True)
class Outcome:
    """Of one attempt.

    Attributes:
        status: retry: it may go well later. given_up: the receiver said no, and would say it again.
        reason: why it did not go well.
        retry_after: seconds that the receiver asks to be left alone for, by all messages.
        is_down: the receiver does not take anything at the moment; otherwise it is about this message.
    """

    status: Literal["delivered", "retry", "given_up"]
    reason: str = ""
    retry_after: float | None = None
    is_down: bool = False


DELIVERED = Outcome("delivered")


def down(reason: str, retry_after: float | None = None) -> Outcome:
    """Nothing can be delivered there for now."""
    return Outcome("retry", reason, retry_after, is_down=True)


def unreachable(error: BaseException, seconds: float) -> Outcome:
    """Of an error below the protocol: from what the system said, as libraries put whole addresses into their messages.

    Args:
        error: with its causes.
        seconds: after which an answer is waited for no longer.
    """
    import socket
    import ssl

    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return down(
                f"its certificate can't be verified ({cause.verify_message}): mend it, or see Encryption in docs/alerts.md"
            )
        if isinstance(cause, ssl.SSLError):
            return down(f"no secure connection ({cause.reason or 'unknown reason'})")
        if isinstance(cause, socket.gaierror):
            return down("its name can't be resolved")
        if isinstance(cause, TimeoutError):
            return down(f"no answer within {seconds:.0f} s")
        if isinstance(cause, OSError) and cause.strerror:
            return down(f"can't be reached ({cause.strerror})")
    return down("the connection ended without an answer")


def _causes(error: BaseException) -> Iterable[BaseException]:
    """From the innermost to the error itself."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.insert(0, at)
        at = at.__cause__ or at.__context__
    return chain


def said(text: str | bytes, secrets: Iterable[str]) -> str:
    """What a receiver answered, fit to be kept: short, in one line, and without what it may have echoed.

    Args:
        text: its words.
        secrets: that were sent to it.
    """
    words = " ".join((text.decode(errors="replace") if isinstance(text, bytes) else text).split())
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        words = words.replace(secret, "...")
    return words[:_LONGEST]
