"""Sends the requests of a file to one server and keeps what it answered.

Most callers need `replay`. Connections and cookies are kept per named session; requests without a session share a
connection and have no cookies. Nothing is sent twice: a connection is looked at before it is used again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .client import Answer, Connection, UnsoundAnswer
from .requestfile import Capture, Request

HOST = "frameworks.example"
MOST_REDIRECTS = 5


@dataclass
class Exchange:
    """The answers to one request (more than one when redirects are followed), or why there are none."""

    answers: list[Answer] = field(default_factory=list)
    error: str = ""


@dataclass
class Replay:
    """What one server answered to each request it was sent, and how many answers came on a kept connection."""

    server: str
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    reused: int = 0
    announced_closes: int = 0


class Session:
    """Cookies, captured values and the connection of one named session."""

    def __init__(self, port: int, record: Replay) -> None:
        self.port = port
        self.record = record
        self.cookies: dict[str, str] = {}
        self.captured: dict[str, str] = {}
        self.connection: Connection | None = None

    def perform(self, request: Request) -> Exchange:
        exchange = Exchange()
        try:
            self._perform(request, exchange.answers)
        except (OSError, UnsoundAnswer) as error:
            exchange.error = f"{type(error).__name__}: {error}"
            self.close()
        return exchange

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None

    def _perform(self, request: Request, answers: list[Answer]) -> None:
        answers.append(self._send(request, request.method, self._message(request)))
        while request.follow and 300 <= answers[-1].status < 400 and len(answers) <= MOST_REDIRECTS:
            answers.append(self._send(request, "GET", self._redirected(answers[-1])))
        for capture in request.captures:
            self.captured[capture.name] = _captured(capture, answers[-1])

    def _send(self, request: Request, method: str, message: bytes) -> Answer:
        connection = self._connected()
        answer = connection.exchange(method, message)
        if answer.closes:
            self.record.announced_closes += 1
            self.close()
        else:
            connection.is_open()  # bytes after the answer belong to this request, if they are there already
        if request.session:
            self._keep_cookies(answer)
        return answer

    def _connected(self) -> Connection:
        if self.connection and self.connection.is_open():
            self.record.reused += 1
        else:
            self.close()
            self.connection = Connection(self.port)
        return self.connection

    def _message(self, request: Request) -> bytes:
        headers = [(name, self._filled(value)) for name, value in request.headers]
        body = request.body
        if body is None:
            return self._head(request.method, self._filled(request.target), headers)
        if request.chunk:
            headers.append(("Transfer-Encoding", "chunked"))
            return self._head(request.method, request.target, headers) + _chunks(body, request.chunk)
        if any(value.startswith(("application/json", "application/x-www-form-urlencoded")) for _, value in headers):
            body = self._filled(body.decode()).encode()
        headers.append(("Content-Length", str(len(body))))
        return self._head(request.method, self._filled(request.target), headers) + body

    def _redirected(self, answer: Answer) -> bytes:
        location = urlsplit(answer.values("location")[0])
        return self._head("GET", location.path + (f"?{location.query}" if location.query else ""), [])

    def _head(self, method: str, target: str, headers: list[tuple[str, str]]) -> bytes:
        lines = [f"{method} {target} HTTP/1.1"]
        if not any(name.lower() == "host" for name, _ in headers):
            lines.append(f"Host: {HOST}")
        lines += [f"{name}: {value}" for name, value in headers]
        if self.cookies:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _filled(self, text: str) -> str:
        return re.sub(r"<<(\w+)>>", lambda match: self.captured[match[1]], text)

    def _keep_cookies(self, answer: Answer) -> None:
        for value in answer.values("set-cookie"):
            pair, *attributes = value.split(";")
            name, _, content = pair.partition("=")
            if any(attribute.strip().lower() == "max-age=0" for attribute in attributes):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = content


def replay(server: str, port: int, requests: Iterable[Request]) -> Replay:
    """Every request that is meant for this server, in order."""
    record = Replay(server)
    sessions: dict[str, Session] = {}
    for request in requests:
        if not request.only or server in request.only:
            session = sessions.setdefault(request.session, Session(port, record))
            record.exchanges[request.name] = session.perform(request)
    for session in sessions.values():
        session.close()
    return record


def _captured(capture: Capture, answer: Answer) -> str:
    if capture.source == "header":
        found = answer.values(capture.pattern)
        value = found[0] if found else None
    else:
        match = re.search(capture.pattern, answer.body.decode("latin-1"))
        value = match[1] if match else None
    if value is None:
        raise UnsoundAnswer(f"nothing to capture for {capture.name}: {capture.pattern}")
    return value


def _chunks(body: bytes, size: int) -> bytes:
    parts = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
