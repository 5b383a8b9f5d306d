"""A running gunicorn."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness import PATIENCE, Client, Output, processes, until
from harness import program as speyside


def _serves(pid: int) -> bool:
    """Tell whether a process is a worker in its loop, its hooks of the start behind it.

    A worker's first heartbeat sets the time of a file that has no name any more to that of the monotonic clock.
    """
    try:
        kept = [one for one in Path(f"/proc/{pid}/fd").iterdir() if "/wgunicorn-" in os.readlink(one)]
        return len(kept) == 1 and kept[0].stat().st_mtime <= time.monotonic()
    except OSError:
        return False  # it has ended, or it opens and closes files: asked again


class Gunicorn:
    """One gunicorn: its processes, its address and what it wrote."""

    def __init__(self, arguments: list[str], directory: Path, env: Mapping[str, str]) -> None:
        self.directory = directory
        clean = speyside.environment({**env, "XDG_RUNTIME_DIR": str(directory)}, speyside.new_mark())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments],
            cwd=directory,
            env=clean,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        self.stdout = Output("stdout", self.process.stdout)
        self.stderr = Output("stderr", self.process.stderr)

    def await_listening(self, stream: Output) -> None:
        """Wait until it says where it listens."""
        where = stream.wait(r"Listening at: (\S+) \(", seconds=PATIENCE)[0].group(1)
        found = re.fullmatch(r"http://(.*):(\d+)", where)
        self.address = (found.group(1), int(found.group(2))) if found else where.removeprefix("unix:")

    def ready(self, count: int) -> None:
        """Wait until so many workers serve; gunicorn does not say it."""
        until(lambda: sum(map(_serves, processes.children(self.process.pid))) == count, "workers", PATIENCE)

    def connect(self) -> Client:
        """Open a connection."""
        return Client(self.address, PATIENCE)

    def interrupt(self, number: int) -> None:
        """Send a signal to the master."""
        self.process.send_signal(number)

    def stop(self, number: int) -> None:
        """Have it end, and read what it wrote to the end."""
        self.interrupt(number)
        code = self.process.wait(PATIENCE)
        self.stdout.finish(PATIENCE)
        self.stderr.finish(PATIENCE)
        assert code == 0, self.stderr.text()

    def kill(self) -> None:
        """End every process of it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def gunicorn(arguments: list[str], directory: Path, env: Mapping[str, str]) -> Iterator[Gunicorn]:
    """Run gunicorn, and end it in any case."""
    server = Gunicorn(arguments, directory, env)
    try:
        yield server
    finally:
        server.kill()
