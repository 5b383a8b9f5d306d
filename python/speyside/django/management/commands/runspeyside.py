"""python manage.py runspeyside [addrport]: Django's runserver, with Speyside in the place of its server.

Everything that runserver does around its server is Django's own: checks, autoreload, static files where
django.contrib.staticfiles is installed and DEBUG is on, and the lines for requests.
"""

# mypy: disable-error-code="import-untyped,import-not-found", allow-subclassing-any
from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from django.apps import apps

from speyside.loader import Application
from speyside.simple_server import WSGIRequestHandler, WSGIServer

if apps.is_installed("django.contrib.staticfiles"):
    from django.contrib.staticfiles.management.commands.runserver import Command as RunServer
else:
    from django.core.management.commands.runserver import Command as RunServer

SERVER_ERROR, CLIENT_ERROR = 500, 400


class Server(WSGIServer):
    """What Django calls as its own server."""

    def __init__(
        self, address: tuple[str, int], handler: object, ipv6: bool = False, allow_reuse_address: bool = True
    ) -> None:
        """Take what Django's takes; its handler speaks HTTP, and is left alone."""
        if ipv6:
            self.address_family = socket.AF_INET6
        self.allow_reuse_address = allow_reuse_address
        super().__init__(address, WSGIRequestHandler)

    def set_app(self, application: Application | None) -> None:
        """Have a line logged for each request."""
        super().set_app(None if application is None else logged(application))


def logged(application: Application) -> Application:
    """Return the application with a record of the logger django.server for each of its replies."""
    logger = logging.getLogger("django.server")

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def begin(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            write = start_response(status, headers, *error)
            code = int(status.split(" ", 1)[0])
            level = logging.ERROR if code >= SERVER_ERROR else logging.WARNING if code >= CLIENT_ERROR else logging.INFO
            length = next((value for name, value in headers if name.lower() == "content-length"), "-")
            told = {"server_time": time.strftime("%d/%b/%Y %H:%M:%S"), "status_code": code}
            line = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {environ['SERVER_PROTOCOL']}"
            logger.log(level, '"%s" %s %s', line, code, length, extra=told)
            return write

        return application(environ, begin)

    return app


class Command(RunServer):
    """runserver on Speyside."""

    help = "Starts Speyside for development: as runserver does, with autoreload and static files."
    server_cls = Server
