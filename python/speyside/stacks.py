"""Where threads stand: the stack of a request that has used up its time, and what is left when the GIL cannot be had.

Most callers need interrupt, which the thread that listens for orders calls. install has faulthandler write to a pipe of
the front's: for fatal signals, and for one thread that is sent DUMP. The front sends that only when this process does
not answer: dumping a thread that runs Python code may crash it, one that is stuck in C code stands still.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import sys
import traceback
from types import FrameType
from typing import Protocol

from speyside import RequestTimeout, _gateway
from speyside.failure import internal

DUMP = 63  # internal/arbiter/stacks_linux.go


class Gateway(Protocol):
    """Who knows which thread serves what: that of this worker, or one of the several that a process may have."""

    def running(self, slot: int, filling: int) -> int:
        """Return the identifier of the thread."""

    def interrupt(self, slot: int, filling: int, exception: type[BaseException]) -> bool:
        """Raise an exception class in it."""


DEEPEST = 100  # frames that are told, the innermost


def install(descriptor: int) -> None:
    """Have faulthandler write to the descriptor; it stays open for good."""
    # A system without that signal number, or a handler of the application's own: dumps are missing, nothing else.
    with contextlib.suppress(ValueError, RuntimeError, OSError):
        faulthandler.enable(descriptor, all_threads=False)
        faulthandler.register(DUMP, descriptor, all_threads=False, chain=False)


def interrupt(slot: int, filling: int, gateway: Gateway = _gateway) -> str:
    """Raise RequestTimeout in the thread of a request; return where it stood, or "" when it was no longer at it."""
    frame = sys._current_frames().get(gateway.running(slot, filling))
    stack = _told(frame) if frame is not None else ""
    return stack if gateway.interrupt(slot, filling, RequestTimeout) else ""


def _told(frame: FrameType) -> str:
    """Return the user's own frames, the innermost last, as a traceback has them."""
    frames = list(traceback.extract_stack(frame))
    outside = itertools.dropwhile(lambda one: not internal(one.filename), frames)  # how Python has started the thread
    kept = [one for one in outside if not internal(one.filename)] or frames
    return "".join(traceback.StackSummary.from_list(kept[-DEEPEST:]).format())
