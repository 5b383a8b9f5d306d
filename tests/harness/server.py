"""A running server, from its banner to its orderly end.

Most tests need `running`. It fails the test when the server does not start or stop as it should, wrote an error that
the test did not provoke, or left a process behind.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGKILL

from . import processes, program
from .client import Client, Reply
from .output import Output
from .program import PATIENCE, TESTS
from .waiting import until

URL = r"^ {4}((?:http://|unix:)\S+)$"


class Server:
    """One server: its processes, addresses and output."""

    def __init__(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str | None],
        cwd: Path,
        provoked: bool,
        within: Sequence[str] = (),
        descriptors: Sequence[int] = (),
    ) -> None:
        self.provoked = provoked  # the test makes the application fail
        self._mark = program.new_mark()
        self.process = program.spawn(arguments, env, self._mark, cwd, within, descriptors)
        assert self.process.stdout is not None and self.process.stderr is not None
        self.stdout = Output("stdout", self.process.stdout)
        self.stderr = Output("stderr", self.process.stderr)
        self.banner = ""
        self.urls: list[str] = []

    def await_banner(self) -> None:
        """Wait until the server says that it serves."""
        found = self.stderr.wait(r"\A[\s\S]*?^  Speyside [\s\S]*?^  stop .*\n\n", seconds=PATIENCE)
        self.banner = found[0].group()
        self.urls = re.findall(URL, self.banner, re.MULTILINE)
        assert self.urls, f"the banner has no URL:\n{self.banner}"

    # Addresses

    def address(self, number: int = 0) -> tuple[str, int] | str:
        """Return where it listens: a path, or host and port to connect to."""
        url = self.urls[number]
        if url.startswith("unix:"):
            return url.removeprefix("unix:")
        host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
        host = host.strip("[]")
        return ("127.0.0.1" if host == "localhost" else host), int(port)

    @property
    def port(self) -> int:
        """Return the first address's port."""
        address = self.address()
        assert not isinstance(address, str)
        return address[1]

    def connect(self, number: int = 0, patience: float = PATIENCE) -> Client:
        """Open a connection."""
        return Client(self.address(number), patience)

    def get(self, target: str, *fields: tuple[str, str]) -> Reply:
        """Send a GET on a connection of its own."""
        with self.connect() as client:
            return client.get(target, *fields)

    def post(self, target: str, body: bytes, *fields: tuple[str, str]) -> Reply:
        """Send a POST on a connection of its own."""
        with self.connect() as client:
            return client.post(target, body, *fields)

    def json(self, target: str) -> object:
        """Return what a GET answers, as JSON."""
        reply = self.get(target)
        assert reply.status == 200, f"{target}: {reply}"
        answer: object = json.loads(reply.body)
        return answer

    # Processes

    @property
    def front(self) -> int:
        """Return the front's pid."""
        return self.process.pid

    def workers(self) -> dict[int, int]:
        """Return the pids by worker number that were ready last, as the log says, without those that are gone."""
        ready = re.findall(r"worker ready worker=(\d+) pid=(\d+)", self.stderr.text())
        latest = {int(number): int(pid) for number, pid in ready}
        return {number: pid for number, pid in latest.items() if processes.running(pid)}

    def ready(self, count: int) -> dict[int, int]:
        """Wait until so many workers are there, and return their pids by number."""

        def all_there() -> dict[int, int]:
            found = self.workers()
            return found if len(found) == count else {}

        return until(all_there, f"{count} workers", PATIENCE)

    def zygote(self) -> int:
        """Return the zygote's pid."""
        workers = self.workers().values()
        found = [pid for pid in processes.children(self.front) if pid not in workers]
        assert len(found) == 1, f"the front has {len(found)} children that are no workers"
        return found[0]

    def tree(self) -> list[int]:
        """Return all processes of the server, and of what the application started."""
        return program.left(self._mark)

    # Output

    def log(self, pattern: str, since: int = 0, count: int = 1) -> str:
        """Wait for a line of stderr, and return the last match."""
        return self.stderr.wait(pattern, since, count, PATIENCE)[-1].group()

    def printed(self, pattern: str, since: int = 0, count: int = 1) -> str:
        """Wait for a line of stdout, and return the last match."""
        return self.stdout.wait(pattern, since, count, PATIENCE)[-1].group()

    # The end

    def interrupt(self, number: int = SIGINT) -> None:
        """Send a signal to the front alone."""
        self.process.send_signal(number)

    def interrupt_group(self, number: int = SIGINT) -> None:
        """Send a signal to every process of the group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def stop(self, code: int = 0) -> None:
        """Have it stop in order, unless it has ended, and check what it leaves behind."""
        if self.process.poll() is None:
            self.interrupt()
        self.check_end(code)

    def check_end(self, code: int = 0, seconds: float = PATIENCE) -> None:
        """Wait for its end, and check exit code, output and that nothing is left."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"the server did not end in {seconds:.0f} s:\n{self.stderr.text()}") from error
        left = program.left(self._mark)
        assert not left, f"processes were left behind: {left}\n{self.stderr.text()}"
        self.stdout.finish(PATIENCE)
        self.stderr.finish(PATIENCE)
        assert self.process.returncode == code, f"exit code {self.process.returncode}\n{self.stderr.text()}"
        self.check_output()
        sockets = [url.removeprefix("unix:") for url in self.urls if url.startswith("unix:")]
        assert not [path for path in sockets if os.path.lexists(path)], "a socket file was left behind"

    def check_output(self) -> None:
        """Fail when it wrote what it should not have."""
        program.check(self.stderr.text(), self.provoked)
        program.check(self.stdout.text(), self.provoked)

    def kill(self) -> None:
        """End every process of it, when a test has failed."""
        for _ in range(3):  # what is killed may have been about to fork
            for pid in self.tree():
                try:
                    os.kill(pid, SIGKILL)
                except ProcessLookupError:
                    continue
        self.process.wait()


@contextmanager
def running(
    app: str,
    *arguments: str,
    bind: Sequence[str] = ("127.0.0.1:0",),
    workers: int | None = 1,
    threads: int | None = 4,
    env: Mapping[str, str | None] | None = None,
    cwd: Path = TESTS,
    provoked: bool = False,
    code: int = 0,
    within: Sequence[str] = (),
    descriptors: Sequence[int] = (),
) -> Iterator[Server]:
    """Run a server with an application of tests/apps, and stop it; `provoked` allows the errors of an application."""
    line = [app, *(f"--bind={address}" for address in bind)]
    line += [f"--workers={workers}"] if workers is not None else []
    line += [f"--threads={threads}"] if threads is not None else []
    server = Server([*line, *arguments], env or {}, cwd, provoked, within, descriptors)
    try:
        server.await_banner()
        if workers is not None:
            server.ready(workers)
        yield server
        server.stop(code)
    finally:
        server.kill()
