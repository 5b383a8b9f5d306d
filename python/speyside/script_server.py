"""wsgiref.simple_server as a script sees it: the same names, served by Speyside.

Most callers need take_over, before the script runs. make_server, WSGIServer and WSGIRequestHandler have wsgiref's
interface, and may be subclassed; what a subclass overrides in order to speak HTTP itself is never called, and one note
says so. The module refuses nothing that wsgiref allows except more than one address, and TLS on the socket.
"""

from __future__ import annotations

import socket
import sys
import wsgiref
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import speyside
from speyside import report
from speyside.loader import Application

__all__ = ["WSGIRequestHandler", "WSGIServer", "demo_app", "make_server"]
__version__ = "0.2"
server_version = "WSGIServer/" + __version__
sys_version = f"{sys.implementation.name}/{sys.version.split()[0]}"
software_version = server_version + " " + sys_version


class Stage(Protocol):
    """Who listens and serves for a server."""

    def listen(self, host: str, port: int) -> tuple[str, int]:
        """Have the front listen."""

    def serve(self, application: Application, extra: Mapping[str, object], limit: int = 0) -> None:
        """Serve until told to stop."""

    def shutdown(self) -> None:
        """Make serve return."""


class Socket:
    """What `server.socket` is: the front has the real one."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    def getsockname(self) -> tuple[str, int]:
        """Return where the front listens."""
        return self._address

    def fileno(self) -> int:
        """Say that there is no descriptor here."""
        return -1

    def setsockopt(self, *args: object) -> None:
        """Leave the socket's options to the front."""

    def settimeout(self, value: float | None) -> None:
        """Leave timeouts to the front."""

    def close(self) -> None:
        """Leave closing to the front."""


class WSGIRequestHandler:
    """Stands for the handler of wsgiref; its attributes may be set, and none of its methods is ever called."""

    server_version = server_version
    sys_version = sys_version
    protocol_version = "HTTP/1.0"
    default_request_version = "HTTP/0.9"
    timeout: float | None = None
    rbufsize = -1
    wbufsize = 0

    def __init__(self, request: object = None, client_address: Any = ("", 0), server: object = None) -> None:
        self.request = request
        self.client_address = client_address
        self.server = server

    def address_string(self) -> str:
        """Return the client's address."""
        return str(self.client_address[0])

    def get_environ(self) -> dict[str, Any]:
        """Return an empty environ."""
        return {}

    def get_stderr(self) -> Any:
        """Return the stream of errors."""
        return sys.stderr

    def handle(self) -> None:
        """Leave the request to Speyside."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - wsgiref's name
        """Leave the log to Speyside."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Leave the log to Speyside."""

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002 - wsgiref's name
        """Leave the log to Speyside."""


class WSGIServer:
    """A server with wsgiref's interface. It listens and serves through the stage of the script."""

    stage: ClassVar[Stage]
    address_family = socket.AF_INET
    socket_type = socket.SOCK_STREAM
    request_queue_size = 5
    allow_reuse_address = True
    allow_reuse_port = False
    timeout: float | None = None

    def __init__(
        self,
        server_address: tuple[str, int],
        RequestHandlerClass: Any = WSGIRequestHandler,  # noqa: N803 - wsgiref's name
        bind_and_activate: bool = True,
    ) -> None:
        """Listen at the address, or where --bind says."""
        self.server_address: tuple[str, int] = server_address
        self.RequestHandlerClass = RequestHandlerClass
        self.application: Application | None = None
        self.base_environ: dict[str, Any] = {}
        self.server_name, self.server_port = server_address[:2]
        self.socket: Any = Socket(server_address)
        if bind_and_activate:
            self.server_bind()
            self.server_activate()

    def server_bind(self) -> None:
        """Have the front listen; from here on server_port is the real one."""
        host, port = self.server_address[:2]
        self.server_address = WSGIServer.stage.listen(host or "", int(port))
        self.server_name, self.server_port = self.server_address
        self.socket = Socket(self.server_address)
        self.setup_environ()

    def server_activate(self) -> None:
        """Do nothing: the front listens."""

    def setup_environ(self) -> None:
        """Set up base_environ, to which a subclass may add."""
        self.base_environ = {"SERVER_NAME": self.server_name, "SERVER_PORT": str(self.server_port), "SCRIPT_NAME": ""}
        self._usual = dict(self.base_environ)

    def get_app(self) -> Application | None:
        """Return the application."""
        return self.application

    def set_app(self, application: Application | None) -> None:
        """Set the application."""
        self.application = application

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until the front stops, or shutdown is called in another thread."""
        self._serve(0)

    def handle_request(self) -> None:
        """Serve exactly one request."""
        self._serve(1)

    def _serve(self, limit: int) -> None:
        if self.application is None:
            raise RuntimeError("the server has no application: call set_app() first")
        note_ignored(type(self), WSGIServer, {"setup_environ"})
        if isinstance(self.RequestHandlerClass, type):
            note_ignored(self.RequestHandlerClass, WSGIRequestHandler, set())
        usual = getattr(self, "_usual", {})
        extra = {name: value for name, value in self.base_environ.items() if usual.get(name) != value}
        WSGIServer.stage.serve(self.application, extra, limit)

    def shutdown(self) -> None:
        """Make serve_forever return, and wait until it has."""
        WSGIServer.stage.shutdown()

    def server_close(self) -> None:
        """Do nothing: the front closes its own sockets."""

    def fileno(self) -> int:
        """Say that there is no descriptor here."""
        return -1

    def service_actions(self) -> None:
        """Stand for the hook of socketserver, which is never called."""

    def handle_timeout(self) -> None:
        """Stand for the hook of socketserver, which is never called."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stand for the hook of socketserver, which is never called."""

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Stand for the hook of socketserver, which is never called."""
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        """Stand for the hook of socketserver, which is never called."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Stand for the hook of socketserver, which is never called."""

    def shutdown_request(self, request: Any) -> None:
        """Stand for the hook of socketserver, which is never called."""

    def close_request(self, request: Any) -> None:
        """Stand for the hook of socketserver, which is never called."""

    def __enter__(self) -> WSGIServer:
        return self

    def __exit__(self, *args: object) -> None:
        self.server_close()


def make_server(
    host: str,
    port: int,
    app: Application,
    server_class: Any = WSGIServer,
    handler_class: Any = WSGIRequestHandler,
) -> Any:
    """Make a server for app that listens at host and port."""
    server = server_class((host, port), handler_class)
    server.set_app(app)
    return server


def demo_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Show the environ, as wsgiref's demo_app does."""
    lines = ["Hello world!", ""] + [f"{name} = {value!r}" for name, value in sorted(environ.items())]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [("\n".join(lines) + "\n").encode("utf-8")]


def note_ignored(own: type, base: type, allowed: set[str]) -> None:
    """Say once which methods of a subclass will not be called, because Speyside does their work."""
    if vars(own).get("_noted_by_speyside"):
        return
    ignored = [name for name in overridden(own, base) if name not in allowed]
    if ignored:
        told = {"class": own.__name__, "methods": ",".join(ignored)}
        report.record("INFO", "methods of the script not used: Speyside does their work", **told)
    if own is not base:
        setattr(own, "_noted_by_speyside", True)  # noqa: B010 - the class is the user's


def overridden(own: type, base: type) -> list[str]:
    """Return the methods of base that a class of the script overrides."""
    found: set[str] = set()
    for kind in own.__mro__:
        if kind is base:
            break
        if kind.__module__ not in ("socketserver", "http.server"):
            found |= {name for name, value in vars(kind).items() if callable(value) and hasattr(base, name)}
    return sorted(name for name in found if not name.startswith("__"))


def take_over(stage: Stage) -> None:
    """Be wsgiref.simple_server from now on, and speyside's own, for a script that is served on this stage."""
    WSGIServer.stage = stage
    for package in (wsgiref, speyside):
        sys.modules[package.__name__ + ".simple_server"] = sys.modules[__name__]
        package.__dict__["simple_server"] = sys.modules[__name__]


def __getattr__(name: str) -> Any:
    if name != "ServerHandler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wsgiref.handlers import SimpleHandler

    return SimpleHandler
