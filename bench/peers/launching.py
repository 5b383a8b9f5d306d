"""What the launchers share. Callers need `application` and `together`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib import import_module
from types import FrameType
from typing import Any


def application(target: str) -> Any:
    """The application named MODULE:NAME, from the current directory."""
    module, _, name = target.partition(":")
    sys.path.insert(0, os.getcwd())
    return getattr(import_module(module), name)


def together(*commands: list[str], stop: signal.Signals = signal.SIGTERM) -> int:
    """Run several programs until one ends or we are told to; then end them all."""
    children = [subprocess.Popen(command) for command in commands]

    def end(_number: int, _frame: FrameType | None) -> None:
        for child in children:
            child.send_signal(stop)

    signal.signal(signal.SIGTERM, end)
    pid, status = os.wait()
    end(0, None)
    for child in children:
        if child.pid == pid:
            child.returncode = os.waitstatus_to_exitcode(status)
        child.wait()
    return os.waitstatus_to_exitcode(status)
