"""Run an application on fastpysgi: PORT WORKERS MODULE:NAME. Its own command line cannot set workers."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Any


def main(port: int, workers: int, target: str) -> None:
    """Import, then let fastpysgi fork and serve."""
    fastpysgi: Any = import_module("fastpysgi")
    module, _, name = target.partition(":")
    sys.path.insert(0, os.getcwd())
    app = getattr(import_module(module), name)
    if workers == 1:
        # It leaves SIGTERM alone; with workers, its parent stops them on KeyboardInterrupt only.
        fastpysgi.run(app, host="127.0.0.1", port=port, loglevel=fastpysgi.LL_FATAL_ERROR)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    fastpysgi.run(app, host="127.0.0.1", port=port, loglevel=fastpysgi.LL_FATAL_ERROR, workers=workers)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
