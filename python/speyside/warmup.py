"""Warming up: what a worker does before it claims its first request, so that no client waits for it.

Most callers need run. A target is a path, which the application is asked for, or module:callable, which is called
without arguments. A target that fails is a Failure: the worker is not fit to serve.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from speyside import _faults, loader
from speyside.failure import Failure, summary
from speyside.loader import Application

if TYPE_CHECKING:
    from collections.abc import Callable

    Headers = list[tuple[str, str]]
    Error = tuple[type[BaseException], BaseException, TracebackType]

FAILED = 500  # this status and those above are the application's own admission


def run(targets: Sequence[str], application: Application, base: Mapping[str, object]) -> None:
    """Warm up with every target in turn; base is a base environ. Raises Failure."""
    for target in targets:
        try:
            status = _ask(target, application, base) if target.startswith("/") else _call(target)
        except Failure:
            raise
        except BaseException as error:  # also SystemExit: the worker must not end without a word
            raise Failure(_faults.WARMUP_FAILED, f"{target}: {summary(error)}", cause=error) from error
        if status >= FAILED:
            raise Failure(_faults.WARMUP_FAILED, f"{target} was answered with {status}")


def _call(target: str) -> int:
    loader.find(target)()
    return 0


def _ask(target: str, application: Application, base: Mapping[str, object]) -> int:
    """Ask the application as a client would, throw the answer away, and return the status."""
    path, _, query = target.partition("?")
    environ = {
        **base,
        "REQUEST_METHOD": "GET",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "0",
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": "speyside-warmup",
        "wsgi.input": io.BytesIO(),
        "speyside.warmup": True,
    }
    statuses = [0]

    def start_response(status: str, headers: Headers, exc_info: Error | None = None) -> Callable[[bytes], object]:
        statuses.append(int(status.split(maxsplit=1)[0]))
        if exc_info is not None:
            print(f"{target}: {summary(exc_info[1])}", file=sys.stderr)
        return lambda data: None

    reply = application(environ, start_response)
    try:
        for _ in reply:
            pass
    finally:
        close = getattr(reply, "close", None)
        if close is not None:
            close()
    return statuses[-1]
