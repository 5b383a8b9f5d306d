"""A real server for a test: `with speyside.testing.serve(app) as server: get(server.url)`.

The application runs in this process, on threads, so the test sees what it changes. The same as a fixture of pytest is
`speyside_server` (pytest_plugin.py). Neither imports pytest or any client.
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

from speyside.api import Value
from speyside.loader import Application
from speyside.simple_server import WSGIRequestHandler, WSGIServer


class _Server(WSGIServer):
    def serving_here(self) -> bool:
        """Say whether the calling thread is one of those that serve."""
        return self._front is not None and self._front.serving_here()


class _Server6(_Server):
    address_family = socket.AF_INET6


class Served:
    """An application that is served until close(), or the end of the with statement."""

    def __init__(self, app: Application, host: str, port: int, threads: int, settings: dict[str, Value]) -> None:
        self._server = (_Server6 if ":" in host else _Server)((host, port), WSGIRequestHandler)
        self._server.threads = threads
        self._server.settings = settings
        self._server.set_app(app)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="speyside-testing", daemon=True)
        self.host = host
        self.port = self._server.server_port
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return self.url

    def start(self) -> Self:
        """Begin to serve; for a setUp(). Connections are accepted when it returns."""
        try:
            self._server.start_front()
        except BaseException:
            self._server.server_close()
            raise
        self._thread.start()
        return self

    def close(self) -> None:
        """Finish what is being answered, and end the server; raise what ended it before, if anything did.

        The application may call it, too: then the server ends with that request, for which nobody can wait here.
        """
        inside = self._server.serving_here()
        self._server.shutdown()
        self._server.server_close()
        if inside:
            return
        if self._thread.ident is not None:
            self._thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _serve(self) -> None:
        try:
            self._server.serve_forever()
        except BaseException as error:  # it is raised where the server is closed
            self._failure = error


def serve(app: Application, *, host: str = "127.0.0.1", port: int = 0, threads: int = 4, **settings: Value) -> Served:
    """Return a server for app: a context manager, with `url`, `host` and `port`. Port 0 is one that is free.

    Settings are those of docs/settings.md that are about requests, such as `timeout` and `limit_request_body`.
    """
    return Served(app, host, port, threads, settings)
