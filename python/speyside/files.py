"""wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling").

Most callers need FileWrapper, which the application finds in its environ. Returned to the server as it is, it lets the
front send a regular file by itself; iterated, by middleware for instance, it reads blocks as any other iterable.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from typing import Any


class FileWrapper:
    """An iterable over the blocks of a file-like object."""

    def __init__(self, filelike: Any, block_size: int = 8192) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        """Be an iterable."""
        return self

    def __next__(self) -> bytes:
        """Return the next block."""
        block: bytes = self.filelike.read(self.block_size)
        if block:
            return block
        raise StopIteration

    def part(self) -> tuple[int, int, int] | None:
        """Return descriptor, offset and length of what is left of a regular file; None when it has to be read."""
        file = _reader(self.filelike)
        if file is None or not file.readable():
            return None
        if file.writable():
            file.flush()
        at, status = file.tell(), os.fstat(file.fileno())
        # A file of /proc has no size: what is in it shows when it is read.
        if not stat.S_ISREG(status.st_mode) or at >= status.st_size:
            return None
        return file.fileno(), at, status.st_size - at


def _reader(filelike: Any) -> io.FileIO | io.BufferedReader | io.BufferedRandom | None:
    """Return the file whose read() is the file-like's: what reads through something else may be other bytes."""
    temporary = sys.modules.get("tempfile")
    if temporary is not None and type(filelike) is getattr(temporary, "_TemporaryFileWrapper", None):
        filelike = filelike.file
    file = getattr(filelike.read, "__self__", None)
    if type(file) is io.FileIO:
        return file
    if type(file) is io.BufferedReader or type(file) is io.BufferedRandom:
        return file if type(file.raw) is io.FileIO else None
    return None
