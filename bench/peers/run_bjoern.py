"""Run an application on bjoern: PORT WORKERS MODULE:NAME. bjoern has no command line and does not fork by itself."""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any


def main(port: int, workers: int, target: str) -> None:
    """Import and bind once; with one worker serve here, with more fork them and wait."""
    bjoern: Any = import_module("bjoern")
    module, _, name = target.partition(":")
    sys.path.insert(0, os.getcwd())
    app = getattr(import_module(module), name)
    bjoern.listen(app, "127.0.0.1", port)
    if workers == 1:
        bjoern.run()
        return
    # Pages that the collector never touches again stay shared by the workers.
    gc.collect()
    gc.freeze()
    children = [pid for pid in (fork(bjoern) for _ in range(workers)) if pid]

    def stop(_number: int, _frame: FrameType | None) -> None:
        for pid in children:
            os.kill(pid, signal.SIGKILL)

    signal.signal(signal.SIGTERM, stop)
    for pid in children:
        os.waitpid(pid, 0)


def fork(bjoern: Any) -> int:
    """One worker; returns in the parent only."""
    pid = os.fork()
    if not pid:
        bjoern.run()
        os._exit(0)
    return pid


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
