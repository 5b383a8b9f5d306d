"""Records of the log that come from Python: what an application did wrong, with its traceback, and notes to the user.

Most callers need Report, which the gateway calls for a request that failed, and record for anything else. A record is
one write to stderr in the form of the front's log; what a client sent is escaped in it.
"""

from __future__ import annotations

import os
import sys
import time

from speyside import _faults, failure


class Report:
    """The function that the gateway of one worker tells of faults."""

    def __init__(self, worker: int) -> None:
        self._worker = worker

    def __call__(
        self, code: str, detail: str, method: str, path: str, error: BaseException | None, identifier: str
    ) -> None:
        """Log what an application did to a request."""
        event = "application raised" if code == _faults.APPLICATION_RAISED else "request failed"
        fields = {
            "id": identifier,
            "method": method,
            "path": path,
            "worker": self._worker,
            "pid": os.getpid(),
            "code": code,
        }
        after = failure.trimmed(error) if error is not None else ""
        record("ERROR", event, after, **fields, detail=detail)


def record(level: str, event: str, after: str = "", **fields: object) -> None:
    """Write one record: time, level, event, fields; then the lines of after, none of which can pass for a record."""
    at = time.strftime("%Y-%m-%d %H:%M:%S %z")
    told = "".join(f" {name}={_value(str(value))}" for name, value in fields.items())
    lines = [f"{at} {level:5} {event}{told}", *(f"    {line}" for line in after.splitlines())]
    if sys.stderr is not None:
        sys.stderr.write("\n".join(lines) + "\n")


def _value(text: str) -> str:
    """Return text as it may stand in a record: one printable word, or quoted."""
    if text and text.isprintable() and not any(mark in ' "=\\' for mark in text):
        return text
    shown = text.replace("\\", "\\\\").replace('"', '\\"')
    shown = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in shown)
    return f'"{shown}"'
