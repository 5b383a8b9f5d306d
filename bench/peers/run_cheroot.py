"""Run an application on cheroot: PORT THREADS MODULE:NAME. Its command line cannot set the keep-alive limit."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import Any

from launching import application


def main(port: int, threads: int, target: str) -> None:
    """Serve until SIGTERM."""
    wsgi: Any = import_module("cheroot.wsgi")
    server = wsgi.Server(
        ("127.0.0.1", port), application(target), numthreads=threads, request_queue_size=4096, timeout=75
    )
    server.keep_alive_conn_limit = 20000
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.safe_start()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
