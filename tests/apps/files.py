"""Replies through wsgi.file_wrapper: the query names the file, and what is done with it."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from .routes import Routes, query, text

application = Routes()


class Told:
    """A file-like object of which everything is the file's, except that it says when it is closed."""

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._name = name
        self.read = file.read

    def close(self) -> None:
        """Say so."""
        self._file.close()
        print(f"closed {self._name}")


class Upper:
    """A file-like object with a descriptor, whose bytes are not the file's."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - the server closes it
        self.fileno = self._file.fileno
        self.close = self._file.close

    def read(self, size: int = -1) -> bytes:
        """Read, and change."""
        return self._file.read(size).upper()


class Loud(io.FileIO):
    """A file whose class reads in its own way."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and change."""
        return (super().read(-1 if size is None else size) or b"").upper()


def temporary(path: str) -> Any:
    """Return a named temporary file with the same content."""
    made = tempfile.NamedTemporaryFile()  # noqa: SIM115
    with open(path, "rb") as file:
        made.write(file.read())
    made.seek(0)
    return made


def pipe(path: str) -> Any:
    """Return what a program writes."""
    process = subprocess.Popen(["cat", path], stdout=subprocess.PIPE)
    return process.stdout


def packed(path: str) -> Any:
    """Return a file that has a descriptor and unpacks what it reads there."""
    with gzip.open(path + ".gz", "wb") as file, open(path, "rb") as plain:
        file.write(plain.read())
    return gzip.open(path + ".gz", "rb")


def in_memory(path: str) -> Any:
    """Return a file that has no descriptor and no close()."""
    with open(path, "rb") as file:
        data = io.BytesIO(file.read())

    class Reading:
        read = data.read

    return Reading()


KINDS: dict[str, Callable[[str], Any]] = {
    "plain": lambda path: open(path, "rb"),  # noqa: SIM115
    "raw": lambda path: open(path, "rb", buffering=0),  # noqa: SIM115
    "both": lambda path: open(path, "r+b"),  # noqa: SIM115
    "temporary": temporary,
    "text": lambda path: open(path),  # noqa: SIM115
    "pipe": pipe,
    "gzip": packed,
    "memory": in_memory,
    "upper": Upper,
    "loud": Loud,
}


@application.add("/file")
def file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a file of some kind, from an offset, perhaps with a length."""
    asked = query(environ)
    opened = KINDS[asked.get("as", "plain")](asked["path"])
    if "read" in asked:
        opened.read(int(asked["read"]))
    if "seek" in asked:
        opened.seek(int(asked["seek"]))
    fields = [("Content-Type", "application/octet-stream")]
    if "length" in asked:
        fields.append(("Content-Length", asked["length"]))
    start_response(asked.get("status", "200 OK"), fields)
    if "name" in asked:
        opened = Told(opened, asked["name"])
    wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](opened, int(asked.get("block", "8192")))
    if "closed" in asked:
        opened.close()
    return wrapper


@application.add("/wrapped")
def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Iterate the wrapper as middleware does."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    wrapper = environ["wsgi.file_wrapper"](open(query(environ)["path"], "rb"), 10)  # noqa: SIM115
    for block in wrapper:
        yield b"%d " % len(block)
    wrapper.close()


@application.add("/written")
def written(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write first, and return a file then."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](open(query(environ)["path"], "rb"))  # noqa: SIM115
    return wrapper


@application.add("/subclass")
def subclass(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Return a wrapper of the application's own."""

    class Numbered(environ["wsgi.file_wrapper"]):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"of ", b"its own"])

    start_response("200 OK", [("Content-Type", "text/plain")])
    return Numbered(open(query(environ)["path"], "rb"))  # noqa: SIM115


@application.add("/open")
def opened(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say how often this process has the file open."""
    path = query(environ)["path"]
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return text(start_response, str(sum(os.path.exists(link) and os.readlink(link) == path for link in links)))
