"""The application with pre_request and post_request around each request, and lines for gunicorn.access.

Most callers need Watched, which is served in the application's place. It changes nothing of what the application
says: a reply that the front could send by itself it still can, and close() is called in the same place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from speyside import _faults
from speyside.files import FileWrapper
from speyside.loader import Application

if TYPE_CHECKING:
    from speyside.gunicorn.member import Member

FAILED = "500 Internal Server Error"
NO_BODY = (204, 304)
Headers = list[tuple[str, str]]


class Request:
    """What a hook sees of a request."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.uri: str = environ.get("RAW_URI", "")
        self.query: str = environ.get("QUERY_STRING", "")
        self.path: str = self.uri.partition("#")[0].partition("?")[0]
        self.fragment: str = self.uri.partition("#")[2]
        self.scheme: str = environ["wsgi.url_scheme"]
        major, _, minor = environ["SERVER_PROTOCOL"].removeprefix("HTTP/").partition(".")
        self.version = (int(major), int(minor or 0))
        self.body = environ["wsgi.input"]
        self.trailers: Headers = []
        self.remote_addr = self.peer_addr = (environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0))

    @property
    def headers(self) -> Headers:
        """Names in capitals, and values."""
        found = [
            (name[5:].replace("_", "-"), value) for name, value in self._environ.items() if name.startswith("HTTP_")
        ]
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if self._environ.get(name):
                found.append((name.replace("_", "-"), self._environ[name]))
        return found


class Response:
    """What a hook sees of a reply."""

    def __init__(self, request: Request) -> None:
        self.req = request
        self.status: str | None = None
        self.headers: Headers = []
        self.headers_sent = False
        self.sent = 0  # bytes of the body
        self.chunked = self.must_close = self.upgrade = False

    @property
    def status_code(self) -> int | None:
        """The status as a number."""
        code = (self.status or "").partition(" ")[0]
        return int(code) if code.isdecimal() else None

    @property
    def response_length(self) -> int | None:
        """What Content-Length says."""
        for name, value in self.headers:
            if name.lower() == "content-length" and value.isdecimal():
                return int(value)
        return None

    def count(self, data: object) -> None:
        """Count bytes of the body, where one is sent."""
        if isinstance(data, bytes) and data:
            self.sent += len(data) if self.has_body() else 0
            self.headers_sent = True

    def has_body(self) -> bool:
        """Tell whether there is a body, whatever the application yields."""
        return self.req.method != "HEAD" and self.status_code not in NO_BODY


class Exchange:
    """One request and its reply, until it is over."""

    def __init__(self, member: Member, environ: dict[str, Any]) -> None:
        self.member = member
        self.environ = environ
        self.request = Request(environ)
        self.response = Response(self.request)
        self.began = time.monotonic()
        self.begun = False  # pre_request is over, and there is a response to show
        self.broken = False  # the iterable has raised

    def starter(self, start_response: Callable[..., Callable[[bytes], object]]) -> Callable[..., Any]:
        """Return start_response for the application."""

        def start(status: str, headers: Headers, *exc_info: Any) -> Callable[[bytes], object]:
            write = start_response(status, headers, *exc_info)
            self.response.status, self.response.headers = status, headers

            def counted(data: bytes) -> object:
                written = write(data)
                self.response.count(data)
                return written

            return counted

        return start

    def log(self) -> None:
        """Write the line for the request, where that is Python's to do."""
        if self.member.worker.cfg.logs_access:
            taken = timedelta(seconds=time.monotonic() - self.began)
            self.member.worker.log.access(self.response, self.request, self.environ, taken)

    def failed(self) -> None:
        """Call post_request, and log what the client gets instead of a reply."""
        self.over()
        self._log_failed()

    def close(self, close: Callable[[], object] | None) -> None:
        """Close the application's iterable, around it what is told of the end."""
        refused = self.broken and not self.response.headers_sent  # the client gets an error in the reply's place
        try:
            if not refused:
                self.log()
            if close is not None:
                close()
        finally:
            self.over()
            if refused:
                self._log_failed()

    def _log_failed(self) -> None:
        self.response.status, self.response.headers = FAILED, []
        self.log()

    def over(self) -> None:
        """Call post_request, and let go of a worker that the hook wants to end."""
        response = self.response if self.begun else None
        hooks, worker = self.member.hooks, self.member.worker
        hooks.tell("post_request", _faults.WORKER_HOOK_FAILED, worker, self.request, self.environ, response)
        if not worker.alive:
            self.member.retire()


class Reply:
    """The application's iterable; the request is over when it is closed."""

    def __init__(self, exchange: Exchange, items: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._items = items
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        """Be an iterable."""
        return self

    def __next__(self) -> bytes:
        """Return what the application yields."""
        try:
            if self._iterator is None:
                self._iterator = iter(self._items)
            item = next(self._iterator)
        except StopIteration:
            raise
        except BaseException:
            self._exchange.broken = True
            raise
        self._exchange.response.count(item)
        return item

    def close(self) -> None:
        """Close the application's iterable; then the request is over."""
        self._exchange.close(getattr(self._items, "close", None))


class SizedReply(Reply):
    """A reply whose number of items is known: of one item the length is told before it is sent."""

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._items)  # type: ignore[arg-type]


class Watched:
    """A WSGI application around another one."""

    def __init__(self, application: Application, member: Member) -> None:
        self.application = application
        self._member = member

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        exchange = Exchange(self._member, environ)
        worker = self._member.worker
        try:
            self._member.hooks.ask("pre_request", worker, exchange.request)
            worker.nr += 1
            exchange.begun = True
            reply = self.application(environ, exchange.starter(start_response))
        except BaseException:
            exchange.failed()
            raise
        return _watched(exchange, reply)


def _watched(exchange: Exchange, reply: Iterable[bytes]) -> Iterable[bytes]:
    if type(reply) is FileWrapper and (length := _length(reply)):  # the same object, so that the front sends the file
        close = getattr(reply, "close", None)
        exchange.response.sent = length if exchange.response.has_body() else 0
        reply.close = lambda: exchange.close(close)
        return reply
    if isinstance(reply, list | tuple) and len(reply) != 1 and all(type(item) is bytes for item in reply):
        reply = [b"".join(reply)]  # one item, whose length is told as that of the list would be
    if not hasattr(reply, "__iter__") and not hasattr(reply, "__getitem__"):  # the gateway says what is wrong with it
        exchange.failed()
        return reply
    return SizedReply(exchange, reply) if hasattr(reply, "__len__") else Reply(exchange, reply)


def _length(file: FileWrapper) -> int:
    """Return how much of a file the front will send; 0 when it is read here, which says what is wrong with it."""
    try:
        part = file.part()
    except Exception:  # a closed file, or whatever a class of the user's raises
        return 0
    return part[2] if part is not None else 0
