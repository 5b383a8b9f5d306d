"""Run an application on FastWSGI: PORT WORKERS MODULE:NAME. Its own command line cannot set workers."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import Any

from launching import application


def main(port: int, workers: int, target: str) -> None:
    """Import, then let FastWSGI fork and serve."""
    app = application(target)
    fastwsgi: Any = import_module("fastwsgi")
    fastwsgi.server.tcp_nodelay = 1
    fastwsgi.server.backlog = 4096
    if workers > 1:
        # Its parent stops the workers on KeyboardInterrupt only; a single one leaves SIGTERM alone.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    fastwsgi.run(app, host="127.0.0.1", port=port, loglevel=fastwsgi.LL_FATAL_ERROR, workers=workers)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
