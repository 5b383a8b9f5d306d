"""A client that believes nothing: it reads replies byte by byte after RFC 9112 and refuses what is not sound.

Most tests need Client.get, Client.post and Client.ask for whole exchanges; Client.send, Client.head and the ones below
it for requests and replies in pieces.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

HOST = "test.example"
STATUS = re.compile(rb"HTTP/1\.1 ([1-9][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
Fields = Iterable[tuple[str, str]]


class Unsound(AssertionError):
    """The server sent something that is not HTTP, or ended where it may not."""


@dataclass
class Reply:
    """One reply. `pieces` are the chunks of a chunked body, else the body in one piece."""

    status: int
    reason: str
    fields: list[tuple[str, str]]
    pieces: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.pieces)

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """Return what the body says as JSON."""
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        """Return the values of every field of this name."""
        return [value for other, value in self.fields if other.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """Return the value of a field that may be there once."""
        values = self.all(name)
        if len(values) > 1:
            raise Unsound(f"{name} is there {len(values)} times: {self.fields}")
        return values[0] if values else None

    @property
    def chunked(self) -> bool:
        """Say whether the body is chunked."""
        return self.get("Transfer-Encoding") == "chunked"

    @property
    def closes(self) -> bool:
        """Say whether the server announced the connection's end."""
        return (self.get("Connection") or "").lower() == "close"


def request(
    method: str, target: str, fields: Fields = (), body: bytes | None = None, version: str = "1.1", host: str = HOST
) -> bytes:
    """Return a request as bytes; a body gets its Content-Length."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunks(pieces: Iterable[bytes]) -> bytes:
    """Return pieces in the chunked coding, with the last chunk."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


class Client:
    """One connection."""

    def __init__(self, address: tuple[str, int] | str, patience: float) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(patience)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout=patience)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = bytearray()
        self.ended = False  # the server has ended its side

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def reset(self) -> None:
        """Leave at once, as a client does that crashed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def half_close(self) -> None:
        """End our side."""
        self.socket.shutdown(socket.SHUT_WR)

    def ask(
        self, method: str, target: str, fields: Fields = (), body: bytes | None = None, version: str = "1.1"
    ) -> Reply:
        """Send a request and return its reply."""
        self.send(request(method, target, fields, body, version))
        return self.reply(method)

    def get(self, target: str, *fields: tuple[str, str]) -> Reply:
        """Send a GET and return its reply."""
        return self.ask("GET", target, fields)

    def post(self, target: str, body: bytes, *fields: tuple[str, str]) -> Reply:
        """Send a POST and return its reply."""
        return self.ask("POST", target, fields, body)

    def reply(self, method: str = "GET") -> Reply:
        """Read one whole reply to a request of this method."""
        reply = self.head()
        reply.pieces = list(self.pieces(reply, method))
        return reply

    def head(self) -> Reply:
        """Read a reply's head."""
        raw = self._until(b"\r\n\r\n")
        if not raw.endswith(b"\r\n\r\n"):
            raise Unsound(f"the connection ended in the head: {raw!r}")
        first, *lines = raw[:-4].split(b"\r\n")
        status = STATUS.fullmatch(first)
        if not status:
            raise Unsound(f"no status line: {first!r}")
        fields = []
        for line in lines:
            parts = FIELD.fullmatch(line)
            if not parts:
                raise Unsound(f"no field: {line!r}")
            fields.append((parts[1].decode(), parts[2].decode("latin-1")))
        reply = Reply(int(status[1]), status[2].decode("latin-1"), fields)
        self._check(reply)
        return reply

    @staticmethod
    def _check(reply: Reply) -> None:
        if reply.get("Transfer-Encoding") not in (None, "chunked"):
            raise Unsound(f"an unknown coding: {reply.fields}")
        if reply.chunked and reply.get("Content-Length") is not None:
            raise Unsound(f"two ways to find the end: {reply.fields}")
        if reply.status >= 200 and (reply.get("Date") is None or reply.get("Server") is None):
            raise Unsound(f"Date or Server is not there: {reply.fields}")

    def pieces(self, reply: Reply, method: str = "GET") -> Iterator[bytes]:
        """Yield the pieces of a body as they come."""
        length = reply.get("Content-Length")
        if method == "HEAD" or reply.status < 200 or reply.status in (204, 304):
            return
        if reply.chunked:
            yield from self._chunks()
        elif length is not None:
            yield self.exactly(int(length))
        else:
            if not reply.closes:
                raise Unsound(f"the body has no end: {reply.fields}")
            yield self.rest()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._until(b"\r\n")
            if not re.fullmatch(rb"[0-9a-fA-F]+\r\n", line):
                raise Unsound(f"no chunk size: {line!r}")
            piece = self.exactly(int(line, 16))
            if self.exactly(2) != b"\r\n":
                raise Unsound("a chunk does not end in CRLF")
            if not piece:
                return
            yield piece

    def _until(self, end: bytes) -> bytes:
        while (found := self._read.find(end)) < 0:
            if not self._more():
                found = len(self._read)
                break
        return self._take(min(found + len(end), len(self._read)))

    def exactly(self, count: int) -> bytes:
        """Read so many bytes."""
        while len(self._read) < count:
            if not self._more():
                raise Unsound(f"the connection ended {count - len(self._read)} bytes early")
        return self._take(count)

    def rest(self) -> bytes:
        """Read everything until the server ends its side; fail when it resets the connection."""
        while self._more():
            pass
        return self._take(len(self._read))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._read[:count])
        del self._read[:count]
        return taken

    def _more(self) -> bool:
        if self.ended:
            return False
        try:
            got = self.socket.recv(1 << 16)
        except ConnectionResetError as error:
            self.ended = True
            raise Unsound(f"the connection was reset after {bytes(self._read[:200])!r}") from error
        except TimeoutError as error:
            raise Unsound(f"nothing came any more after {bytes(self._read[:200])!r}") from error
        self.ended = not got
        self._read += got
        return bool(got)

    def silent(self, seconds: float) -> bool:
        """Say whether nothing comes, not even the end, for so long."""
        if self._read or self.ended:
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            return not self._more() and False
        except Unsound as error:
            if isinstance(error.__cause__, TimeoutError):
                return True
            raise
        finally:
            self.socket.settimeout(before)

    def gone(self) -> bool:
        """Wait for the end of the connection, clean or not, and say whether nothing came before it."""
        try:
            return not self.rest()
        except Unsound as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            return True

    def slowly(self, data: bytes, pause: float) -> None:
        """Send byte by byte."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            time.sleep(pause)  # this is the client's pace, not a wait


def pipelined(requests: Sequence[bytes]) -> bytes:
    """Return requests as one piece."""
    return b"".join(requests)
