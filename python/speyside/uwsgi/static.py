"""Files that count before the application: static-map, static-map2 and check-static of a uwsgi.ini.

Most callers need Files.find. A file is named by the path of a GET or HEAD request, lies in its directory (or one of
static-safe) after all symbolic links, and goes to the front as a descriptor. It is not for directories.
"""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Callable, Iterable
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from speyside.uwsgi.state import State


class Files:
    """The directories, in the order of the file."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._directories = [
            (str(one.get("prefix", "")), os.path.realpath(str(one.get("directory", ""))), one.get("whole") is True)
            for one in state.static
        ]
        self._safe = [directory for _, directory, _ in self._directories] + [os.path.realpath(d) for d in state.safe]

    def find(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes] | None:
        """Answer a request for a file; None where there is none."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        path = (environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]).encode("latin-1")
        if b"\0" in path:
            return None
        name = os.fsdecode(path)
        for prefix, directory, whole in self._directories:
            if name.startswith(prefix):
                rest = name if whole else name[len(prefix) :]
                found = self._file(directory, rest.lstrip("/"))
                if found is not None:
                    return _answer(found, environ, start_response)
        return None

    def _file(self, directory: str, rest: str) -> str | None:
        full = os.path.realpath(os.path.join(directory, rest))
        for candidate in (full, *(os.path.join(full, index) for index in self._state.indexes)):
            real = os.path.realpath(candidate)
            inside = any(real.startswith(safe.rstrip("/") + "/") for safe in self._safe)
            if inside and os.path.isfile(real) and not (self._state.skipped and real.endswith(self._state.skipped)):
                return real
        return None


def _answer(name: str, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes] | None:
    try:
        file = open(name, "rb")  # noqa: SIM115 - it is closed with the reply
    except OSError:
        return None
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode):
        file.close()
        return None
    modified = int(about.st_mtime)
    headers = [("Last-Modified", formatdate(modified, usegmt=True))]
    if _unchanged(environ.get("HTTP_IF_MODIFIED_SINCE"), modified):
        file.close()
        start_response("304 Not Modified", headers)
        return []
    kind, encoding = mimetypes.guess_type(name)
    if kind is not None and encoding is None:
        headers.append(("Content-Type", kind))
    start_response("200 OK", [*headers, ("Content-Length", str(about.st_size))])
    if environ["REQUEST_METHOD"] == "HEAD":
        file.close()
        return []
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
    return wrapped


def _unchanged(since: str | None, modified: int) -> bool:
    if since is None:
        return False
    try:
        return parsedate_to_datetime(since).timestamp() >= modified
    except (ValueError, TypeError, OverflowError):
        return False
