"""A running gunicorn."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness import PATIENCE, Client, Output, processes, until
from harness import program as speyside


def _catches_abort(pid: int) -> bool:
    """Tell whether a process handles SIGABRT, as workers do and the master does not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return found is not None and bool(int(found.group(1), 16) >> (signal.SIGABRT - 1) & 1)


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
        """Wait until so many workers obey signals; gunicorn does not say it."""
        until(lambda: sum(map(_catches_abort, processes.children(self.process.pid))) == count, "workers", PATIENCE)

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
