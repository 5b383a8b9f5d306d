"""Records of the log that come from Python: what an application did wrong, with its traceback, and notes to the user.

Most callers need Report, which the gateway calls for a request that failed, and record for anything else. A record is
one write to stderr in the form of the front's log; what a client sent is escaped in it. Where that log is another than
stderr, or has another form, relay has been called, and the front writes the records (PROTOCOL.md, section 15).
"""

from __future__ import annotations

import json
import os
import socket
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


class Relay:
    """The socket on which the front takes records, one in a message."""

    LONGEST = 65536

    def __init__(self) -> None:
        self.socket: socket.socket | None = None

    def take(self, level: str, event: str, after: str, fields: dict[str, object]) -> bool:
        """Hand over a record; False when there is nobody to take it."""
        if self.socket is None:
            return False
        told = [[name, value if isinstance(value, int) else str(value)] for name, value in fields.items()]
        while True:
            message = json.dumps({"level": level, "event": event, "fields": told, "after": after}).encode("ascii")
            if len(message) <= self.LONGEST:
                break
            if after:  # the beginning and the end of a traceback say most
                after = after[: len(after) // 3] + "\n…\n" + after[-len(after) // 3 :] if len(after) > 1000 else ""
            else:
                told = [[name, value[:500] if isinstance(value, str) else value] for name, value in told]
        try:
            self.socket.send(message, socket.MSG_NOSIGNAL)
        except OSError:  # the front has gone
            return False
        return True


_relay = Relay()


def relay(descriptor: int) -> None:
    """Have the front write the records of this process and its children."""
    _relay.socket = socket.socket(fileno=descriptor)
    _relay.socket.setblocking(True)


def relayed() -> bool:
    """Say whether the front writes the log, and what is captured for it."""
    return _relay.socket is not None


def record(level: str, event: str, after: str = "", **fields: object) -> None:
    """Write one record: time, level, event, fields; then the lines of after, none of which can pass for a record."""
    if _relay.take(level, event, after, fields):
        return
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
