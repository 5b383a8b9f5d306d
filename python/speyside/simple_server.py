"""wsgiref.simple_server, with Speyside as the server: make_server, WSGIServer, WSGIRequestHandler and demo_app.

Most callers need make_server. The application runs in this process, in the thread that calls serve_forever() (or in as
many as `threads` says), so what it changes is seen here; HTTP is the business of a front of its own (front.py). What a
subclass overrides in order to speak HTTP itself is never called, and a warning says so.

In a script that is run as `speyside FILE.py`, script_server.py stands in the place of this module.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
import warnings
import weakref
import wsgiref.simple_server
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from wsgiref.simple_server import ServerHandler, demo_app

from speyside.api import Value, arguments
from speyside.front import LAST_PATIENCE, Front, above_streams, spelled
from speyside.loader import Application

__all__ = ["ServerHandler", "WSGIRequestHandler", "WSGIServer", "demo_app", "make_server"]
THREADS_OF_MIXIN = 16  # of a server with socketserver.ThreadingMixIn, which has one for each connection elsewhere
USUAL: dict[str, Value] = {
    "loops": 1,
    "control_socket": "off",
    "loglevel": "error",
    "graceful_timeout": 5,
    "timeout": 0,
}
HARMLESS = {"setup_environ", "server_bind", "server_activate", "server_close", "get_app", "set_app", "service_actions"}
HARMLESS |= {"handle_timeout", "serve_forever", "shutdown", "handle_request", "fileno"}  # they are called as ever
SILENT = {"log_message", "log_request", "log_error", "log_date_time_string", "version_string", "address_string"}


class WSGIRequestHandler(wsgiref.simple_server.WSGIRequestHandler):
    """Stands for the handler of wsgiref: none of its methods is ever called."""


class WSGIServer(wsgiref.simple_server.WSGIServer):
    """A server with wsgiref's interface. Its socket is a real one, on which the front accepts."""

    request_queue_size = 2048
    threads = 1  # that serve; with 1 it is the one that calls serve_forever()
    settings: Mapping[str, Value] = MappingProxyType({})  # of the front, by their names

    def __init__(self, *args: Any, **options: Any) -> None:
        """Bind and listen, as wsgiref's does."""
        self._front: Front | None = None
        self._shut = False  # shutdown was called, and no serve_forever has heard of it
        self._turns = threading.RLock()
        self._is_idle = threading.Condition(self._turns)
        self._servers: set[int] = set()
        if isinstance(self, socketserver.ThreadingMixIn) and self._threads_are_plain():
            self.threads = max(self.threads, THREADS_OF_MIXIN)
        super().__init__(*args, **options)

    def _threads_are_plain(self) -> bool:
        """Say whether nothing is done in each thread: Django lends it connections to databases there."""
        plain = getattr(socketserver.ThreadingMixIn, "process_request_thread", None)
        return getattr(type(self), "process_request_thread", None) is plain

    def server_bind(self) -> None:
        """Bind the socket; from here on server_port is the real one. The name of the host is not looked up."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def setup_environ(self) -> None:
        """Set up base_environ, to which a subclass may add."""
        self.base_environ: dict[str, Any] = {
            "SERVER_NAME": self.server_name,
            "SERVER_PORT": str(self.server_port),
            "SCRIPT_NAME": "",
        }
        self._usual = dict(self.base_environ)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until shutdown() in another thread, or Ctrl-C, which finishes the request at hand."""
        front = self._begin()
        try:
            if type(self).service_actions is socketserver.BaseServer.service_actions:
                self._take_turn(front, 0, -1)
                return
            while not self._shut:
                self._take_turn(front, 0, poll_interval)
                self.service_actions()
        finally:
            self._end(forever=True)

    def handle_request(self) -> None:
        """Serve one request; call handle_timeout() when none comes within `timeout` seconds."""
        limits = [limit for limit in (self.timeout, self.socket.gettimeout()) if limit is not None]
        front = self._begin()
        try:
            served = self._take_turn(front, 1, min(limits, default=-1), heed=False)
        finally:
            self._end(forever=False)
        if not served and limits:
            self.handle_timeout()

    def shutdown(self) -> None:
        """Make serve_forever() return, and wait until it has."""
        with self._turns:
            self._shut = True
            if self._front is not None:
                self._front.pause()
                if self._front.serving_here():
                    return  # the request at hand has asked for it
            others = self._servers - {threading.get_ident()}
            self._is_idle.wait_for(lambda: not others & self._servers)

    def server_close(self) -> None:
        """Stop listening: end the front, which refuses what waits and sends what was answered."""
        with self._turns:
            front, self._front = self._front, None
        if front is not None:
            front.close()
        super().server_close()

    def _begin(self) -> Front:
        if self.get_app() is None:
            raise RuntimeError("the server has no application: call set_app() first")
        _note_ignored(type(self), wsgiref.simple_server.WSGIServer, HARMLESS)
        if isinstance(self.RequestHandlerClass, type):
            _note_ignored(self.RequestHandlerClass, wsgiref.simple_server.WSGIRequestHandler, SILENT)
        with self._turns:
            if self._servers:
                raise RuntimeError("the server is serving in another thread already")
            self._servers.add(threading.get_ident())
        try:
            return self.start_front()
        except BaseException:
            self._end(forever=False)
            raise

    def _end(self, forever: bool) -> None:
        with self._turns:
            if forever:
                self._shut = False
            if self._front is not None and self._front.lost:
                self._front.close()
                self._front = None  # the next call starts another
            self._servers.discard(threading.get_ident())
            self._is_idle.notify_all()

    def start_front(self) -> Front:
        """Start the front, if there is none: connections are accepted, and wait. Serving does it by itself."""
        with self._turns:
            if self._front is None:
                descriptor = self.socket.fileno()
                if descriptor < 0:
                    raise ValueError("the server is closed")
                name = spelled(self.application)
                with above_streams(descriptor) as copied:
                    fixed: dict[str, Value] = {"bind": f"fd://{copied}", "workers": 1, "threads": self.threads}
                    given = arguments({**USUAL, **self.settings, **fixed, "wsgi_app": name})
                    self._front = Front(given, [copied], self.threads, name)
                weakref.finalize(self, self._front.close, LAST_PATIENCE)
            return self._front

    def _application(self) -> Application:
        """Return what serves: the application, or what get_app() of a subclass says for each request."""
        own = wsgiref.simple_server.WSGIServer
        application: Application | None = self.application
        if application is not None and type(self).get_app is own.get_app:
            return application
        return lambda environ, start_response: self.get_app()(environ, start_response)  # type: ignore[misc]

    def _take_turn(self, front: Front, limit: int, seconds: float, heed: bool = True) -> int:
        """Serve once; heed a shutdown() that came before."""
        usual = getattr(self, "_usual", {})
        extra = {name: value for name, value in self.base_environ.items() if usual.get(name) != value}
        with self._turns:
            if heed and self._shut:
                return 0
            front.resume()
        application = self._application()
        if seconds >= 0 and not limit and front.threads > 1:
            return self._take_turn_of_threads(front, application, extra, seconds)
        return front.serve(application, extra, limit, seconds)

    def _take_turn_of_threads(
        self, front: Front, application: Application, extra: Mapping[str, object], seconds: float
    ) -> int:
        """Have service_actions() called by a thread beside those that serve."""
        over = threading.Event()

        def act() -> None:
            while not over.wait(seconds):
                self.service_actions()

        beside = threading.Thread(target=act, name="speyside-service-actions", daemon=True)
        beside.start()
        try:
            return front.serve(application, extra)
        finally:
            over.set()
            beside.join()


def make_server(
    host: str,
    port: int,
    app: Application,
    server_class: Any = WSGIServer,
    handler_class: Any = WSGIRequestHandler,
    *,
    threads: int = 1,
) -> Any:
    """Make a server for app that listens at host and port; port 0 lets the kernel choose.

    With more than one of the threads, requests run on threads of their own, and serve_forever() waits for them.
    """
    server = server_class((host, port), handler_class)
    if threads != 1:
        server.threads = _checked(threads)
    server.set_app(app)
    return server


def _checked(threads: int) -> int:
    if not 1 <= threads <= 1024:
        raise ValueError(f"threads is {threads}: it must be from 1 to 1024")
    return threads


def _note_ignored(own: type, base: type, allowed: set[str]) -> None:
    """Warn once of the methods of a subclass that will not be called, because Speyside does their work."""
    if vars(own).get("_noted_by_speyside"):
        return
    ignored = [name for name in _overridden(own, base) if name not in allowed]
    if ignored:
        text = f"{own.__name__}.{', '.join(ignored)} will not be called: Speyside does its work"
        warnings.warn(text, RuntimeWarning, stacklevel=4)
    with contextlib.suppress(TypeError, AttributeError):
        setattr(own, "_noted_by_speyside", True)  # noqa: B010 - the class is the user's


def _overridden(own: type, base: type) -> list[str]:
    """Return the methods of base that a class of the user's overrides."""
    found: set[str] = set()
    for kind in own.__mro__:
        if kind is base:
            break
        if kind.__module__ not in ("socketserver", "http.server", __name__):
            found |= {name for name, value in vars(kind).items() if callable(value) and hasattr(base, name)}
    return sorted(name for name in found if not name.startswith("__"))
