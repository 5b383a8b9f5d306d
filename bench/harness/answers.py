"""What a server is asked, what it must answer, and whether it does.

Callers need `Request`, `Expected` and `check`. Every scenario's application answers a fixed body, so that a server
which is fast because it answers something else is found before and after each round. The check sends the request that
the load sends, not a simpler one.
"""

from __future__ import annotations

import http.client
import socket
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Request:
    """What a load sends, again and again."""

    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def raw(self, port: int) -> bytes:
        """The bytes on the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {HOST}:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body or self.method != "GET":
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True)
class Expected:
    """The answer that every server must give: `body`, so many `times`. Headers are those of the application."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1

    @property
    def size(self) -> int:
        return len(self.body) * self.times

    @cached_property
    def crc(self) -> int:
        """CRC-32 of the whole body."""
        crc = 0
        for _ in range(self.times):
            crc = zlib.crc32(self.body, crc)
        return crc


@dataclass(frozen=True)
class Answer:
    """One answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class WrongAnswer(Exception):
    """A server answered something that the application did not say."""


def ask(connection: http.client.HTTPConnection, request: Request) -> Answer:
    """One request on an open connection. Header names are lower-case in the answer."""
    connection.request(request.method, request.path, request.body or None, dict(request.headers))
    response = connection.getresponse()
    body = response.read()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def difference(answer: Answer, expected: Expected) -> str | None:
    """The first thing in which the answer differs from what is expected."""
    if answer.status != expected.status:
        return f"status is {answer.status}, not {expected.status}"
    for name, value in expected.headers.items():
        got = answer.headers.get(name.lower())
        if got != value:
            return f"header {name} is {got!r}, not {value!r}"
    if len(answer.body) != expected.size or zlib.crc32(answer.body) != expected.crc:
        return f"body is {answer.body[:60]!r} ({len(answer.body)} bytes), not {expected.body[:60]!r}"
    return None


def check_together(port: int, request: Request, expected: Expected, times: int, seconds: float = 2) -> None:
    """Send several requests at once on one connection; raise WrongAnswer unless each is answered, in full. The load
    generator would wait for what is lost, and take the server for a slow one that needs no CPU."""
    with socket.create_connection((HOST, port), timeout=seconds) as connection, connection.makefile("rb") as file:
        connection.sendall(request.raw(port) * times)
        for number in range(1, times + 1):
            try:
                if not file.readline():
                    raise WrongAnswer(f"of {times} requests sent at once {number - 1} were answered, then it closed")
                headers = http.client.parse_headers(file)
                body = file.read(int(headers["Content-Length"]))
            except (TimeoutError, TypeError) as error:
                raise WrongAnswer(f"of {times} requests sent at once {number - 1} were answered") from error
            if zlib.crc32(body) != expected.crc:
                raise WrongAnswer(f"of {times} requests sent at once number {number} got {body[:60]!r}")


def check(port: int, request: Request, expected: Expected, keep_alive: bool = True) -> Answer:
    """Ask twice, on one connection where the server keeps it; raise WrongAnswer or answer the last one."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    keep_alive = keep_alive and request.headers.get("Connection") != "close"
    try:
        for _ in range(2):
            answer = ask(connection, request)
            wrong = difference(answer, expected)
            if wrong:
                raise WrongAnswer(wrong)
            if keep_alive and connection.sock is None:
                raise WrongAnswer("the connection was closed after one request")
            if not keep_alive:
                connection.close()
        return answer
    finally:
        connection.close()
