"""A client that shows an answer as it was sent.

Most callers need `Connection.exchange`, which sends one request and gives an `Answer`. It accepts only sound framing: a
body that ends early, a bad chunk, or bytes after the answer on a kept connection are an `UnsoundAnswer`.
"""

import io
import re
import select
import socket
from dataclasses import dataclass

PATIENCE = 30.0
DECIMAL, HEXADECIMAL = 10, 16


class UnsoundAnswer(Exception):
    """What the server sent is no HTTP answer to this request."""


@dataclass(frozen=True)
class Answer:
    """Status line, header fields in the order sent, and the body without its framing."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    closes: bool

    def values(self, name: str) -> list[str]:
        return [value for field, value in self.headers if field.lower() == name.lower()]


class Connection:
    """One TCP connection to a server on the loopback interface."""

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self.patience = patience
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self.reader = io.BufferedReader(socket.SocketIO(self.socket, "r"))

    def close(self) -> None:
        self.reader.close()
        self.socket.close()

    def is_open(self) -> bool:
        """False when the server has closed; bytes that nobody asked for are unsound."""
        readable = bool(select.select([self.socket], [], [], 0)[0])
        self.socket.setblocking(False)
        try:
            left = self.reader.peek(1)
        except ConnectionError:
            return False
        finally:
            self.socket.settimeout(self.patience)
        if left:
            raise UnsoundAnswer(f"bytes after the answer: {left[:80]!r}")
        return not readable

    def exchange(self, method: str, message: bytes) -> Answer:
        """Sends a whole request and reads its answer."""
        self.socket.sendall(message)
        version, status, reason = self._status_line()
        headers = self._headers()
        body, framed = self._body(method, status, headers)
        options = " ".join(value.lower() for name, value in headers if name.lower() == "connection")
        kept = "close" not in options and (version == "HTTP/1.1" or "keep-alive" in options)
        return Answer(status, reason, tuple(headers), body, closes=not (framed and kept))

    def _line(self) -> str:
        line = self.reader.readline(1 << 16)
        if not line.endswith(b"\r\n"):
            raise UnsoundAnswer(f"the answer ended inside a line: {line[:80]!r}")
        return line[:-2].decode("latin-1")

    def _status_line(self) -> tuple[str, int, str]:
        line = self._line()
        match = re.fullmatch(r"(HTTP/1\.[01]) (\d\d\d) (.*)", line)
        if not match:
            raise UnsoundAnswer(f"not a status line: {line[:80]!r}")
        return match[1], int(match[2]), match[3]

    def _headers(self) -> list[tuple[str, str]]:
        headers: list[tuple[str, str]] = []
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise UnsoundAnswer(f"not a header field: {line[:80]!r}")
            headers.append((name, value.strip(" \t")))
        return headers

    def _body(self, method: str, status: int, headers: list[tuple[str, str]]) -> tuple[bytes, bool]:
        fields = {name.lower(): value for name, value in headers}
        if method == "HEAD" or status in (204, 304):
            return b"", True
        if fields.get("transfer-encoding", "").lower() == "chunked":
            if "content-length" in fields:
                raise UnsoundAnswer("both Transfer-Encoding and Content-Length")
            return self._chunks(), True
        if "content-length" in fields:
            return self._exactly(_number(fields["content-length"], DECIMAL)), True
        return self.reader.read(), False

    def _exactly(self, length: int) -> bytes:
        data = self.reader.read(length)
        if len(data) != length:
            raise UnsoundAnswer(f"the body ended after {len(data)} of {length} bytes")
        return data

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while length := _number(self._line().partition(";")[0], HEXADECIMAL):
            parts.append(self._exactly(length))
            self._chunk_end()
        self._chunk_end()
        return b"".join(parts)

    def _chunk_end(self) -> None:
        if line := self._line():
            raise UnsoundAnswer(f"a chunk is followed by {line[:80]!r}")


def _number(text: str, base: int) -> int:
    if not re.fullmatch(r"[0-9]+" if base == DECIMAL else r"[0-9A-Fa-f]+", text):
        raise UnsoundAnswer(f"not a length: {text[:80]!r}")
    return int(text, base)
