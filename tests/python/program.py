"""Runs the speyside program on a script, and talks to it."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "apps" / "scripts"
PATIENCE = 20.0


def find() -> str:
    """Return the program: $SPEYSIDE, else the one beside this Python, else the one on PATH."""
    beside = os.path.join(os.path.dirname(sys.executable), "speyside")
    found = os.environ.get("SPEYSIDE") or (beside if os.access(beside, os.X_OK) else shutil.which("speyside"))
    assert found, "the speyside program was not found: set SPEYSIDE"
    return found


class Program:
    """One running server. What it wrote is in `text`, line by line as it came."""

    def __init__(self, *arguments: str, directory: Path = SCRIPTS) -> None:
        command = [find(), "--python", sys.executable, *arguments]
        self.process = subprocess.Popen(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        self.lines: list[str] = []
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)

    @property
    def text(self) -> str:
        """Return everything that was written so far."""
        return "\n".join(self.lines)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grown:
                self.lines.append(line.rstrip("\n"))
                self._grown.notify_all()
        with self._grown:
            self.lines.append("(end of output)")
            self._grown.notify_all()

    def wait_for(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait until lines that match have been written, and return the last match."""

        def matched() -> list[re.Match[str]]:
            return [found for line in self.lines if (found := re.search(pattern, line))]

        with self._grown:
            self._grown.wait_for(lambda: len(matched()) >= count or "(end of output)" in self.lines, PATIENCE)
            assert len(matched()) >= count, f"{pattern!r} was not written:\n{self.text}"
            return matched()[count - 1]

    def port(self) -> int:
        """Wait for the banner and return the port in its URL."""
        return int(self.wait_for(r"^ +http://[^/ ]*:(\d+)").group(1))

    def get(self, path: str = "/") -> str:
        """Return the body of the answer, after the status when it is not 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=PATIENCE)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return body if answer.status == 200 else f"{answer.status} {body}"

    def interrupt(self) -> int:
        """Send INT, as Ctrl-C does, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code
