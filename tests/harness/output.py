"""What a server wrote, as it comes."""

from __future__ import annotations

import os
import re
import threading
import time
from typing import IO


class Output:
    """One stream of a server, read by a thread of its own so that the server never waits for us."""

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self.name = name
        self._stream = stream
        self._bytes = bytearray()
        self._ended = False
        self._grown = threading.Condition()
        self._thread = threading.Thread(target=self._read, name=f"reads {name}", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while piece := os.read(self._stream.fileno(), 65536):
            with self._grown:
                self._bytes += piece
                self._grown.notify_all()
        with self._grown:
            self._ended = True
            self._grown.notify_all()

    @property
    def mark(self) -> int:
        """How much there is by now: give it as `since` to look at what comes later."""
        with self._grown:
            return len(self._bytes)

    def raw(self, since: int = 0) -> bytes:
        """Return the bytes written since the mark."""
        with self._grown:
            return bytes(self._bytes[since:])

    def text(self, since: int = 0) -> str:
        """Return the text written since the mark."""
        return self.raw(since).decode("utf-8", "replace")

    def wait(self, pattern: str, since: int = 0, count: int = 1, seconds: float = 20.0) -> list[re.Match[str]]:
        """Wait until the pattern (^ and $ are lines) was found so many times since the mark, and return the matches."""
        wanted = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + seconds
        with self._grown:
            while True:
                text = bytes(self._bytes[since:]).decode("utf-8", "replace")
                found = list(wanted.finditer(text))
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "the stream ended" if self._ended else f"not within {seconds:.0f} s"
                    raise AssertionError(
                        f"{pattern!r} came {len(found)} of {count} times on {self.name}: {why}\n{text}"
                    )
                self._grown.wait(left)

    def finish(self, seconds: float) -> None:
        """Wait for the end of the stream: until no process has it open any more."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"a process still has the server's {self.name} open"
        self._stream.close()
