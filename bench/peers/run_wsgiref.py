"""Run an application on wsgiref: PORT MODULE:NAME."""

from __future__ import annotations

import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from launching import application


class Server(WSGIServer):
    """Its backlog of 5 would leave the load to the kernel's retries."""

    request_queue_size = 1024


class Quiet(WSGIRequestHandler):
    """No line per request."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), application(sys.argv[2]), Server, Quiet).serve_forever()
