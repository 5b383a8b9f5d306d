"""A file through wsgi.file_wrapper, or in blocks where a server has none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CONTENT = bytes(range(256)) * 4096  # 1 MiB
HEADERS = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(CONTENT)))]
BLOCK = 65536

# Without a name, so that nobody has to delete it; every worker opens it anew through /proc.
FILE = tempfile.TemporaryFile()
FILE.write(CONTENT)
FILE.flush()


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Its content. A generator has close(), without which some servers fail in the next request."""
    with file:
        while block := file.read(BLOCK):
            yield block


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The whole file; the server closes it."""
    start_response("200 OK", HEADERS)
    file = open(f"/proc/self/fd/{FILE.fileno()}", "rb")
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is not None:
        wrapped: Iterable[bytes] = wrapper(file, BLOCK)
        return wrapped
    return blocks(file)
