"""Appends alerts to a file, one JSON line each, for other programs to follow."""

import os
from datetime import datetime
from pathlib import Path

from analytics_pipeline.delivery.messages import Message, json_line
from analytics_pipeline.delivery.outcome import DELIVERED, Outcome, down


def append(path: Path, message: Message, at: datetime) -> Outcome:
    """Write one line, in one go, so that two processes don't write into each other's.

    Args:
        path: of the file; made where it is missing, for its owner only.
        message: what is told.
        at: when.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            line = f"{'' if _ends_well(descriptor) else chr(10)}{json_line(message, at)}\n".encode()
            if os.write(descriptor, line) < len(line):
                return down("the disk is full")
        finally:
            os.close(descriptor)
    except OSError as error:
        return down(f"{path} can't be written ({error.strerror}): mend it, or set ANALYTICS_ALERT_FILE")
    return DELIVERED


def _ends_well(descriptor: int) -> bool:
    """Whether the file is empty or ends with a whole line; a full disk may have left half of one. A device has no end."""
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
