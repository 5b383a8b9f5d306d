"""Waiting for a state with a deadline, and having an application wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PAUSE = 0.01


def until(state: Callable[[], T], what: str, seconds: float) -> T:
    """Look at state until it is true, and return it; `what` says what was missing at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        seen = state()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(PAUSE)  # between two looks; the deadline decides


class Gate:
    """A file that a test opens and an application waits for: `?gate=PATH` in the request."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        """Let the applications that wait go on."""
        self.path.touch()
