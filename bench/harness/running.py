"""A server that runs: started under a holder, waited for until it is ready and quiet, and ended.

Callers need `Running`, a context manager, and `Plan`, what it starts. It touches no process but its own holder.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness import answers, processes
from harness.answers import HOST, Expected
from harness.holder import Order
from harness.load import on_cpus

BENCH = Path(__file__).parent.parent
APPS = BENCH / "apps"
START_SECONDS = 20.0
QUIET_SECONDS = 0.3
GRACE_SECONDS = 5.0
STOP_SECONDS = 15.0
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class NotStarted(Exception):
    """A server did not come up; the message says why as far as it said so itself."""


@dataclass(frozen=True)
class Plan:
    """What to start and when it counts as ready. `site` is for Speyside only, which runs outside the peers'
    environment and must find the applications' packages in it."""

    name: str
    command: list[str]
    path: str
    expected: Expected
    port: int
    cpus: frozenset[int]
    site: str | None = None


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def environment(site: str | None) -> dict[str, str]:
    """A clean one: no variable of the shell may configure one of the servers."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | ({"PYTHONPATH": site} if site else {})


class Running:
    """``with Running(plan) as server``: inside, the server answers as expected."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.log = os.memfd_create("server-log")
        order = Order(
            command=on_cpus(plan.cpus, plan.command),
            directory=str(APPS),
            environment=environment(plan.site),
            grace_seconds=GRACE_SECONDS,
        )
        self.holder = subprocess.Popen(
            [sys.executable, "-m", "harness.holder", json.dumps(order)],
            cwd=BENCH,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        try:
            self.wait_until_ready()
            self.wait_until_quiet()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the tree: the holder does it when its standard input closes."""
        assert self.holder.stdin
        self.holder.stdin.close()
        self.holder.wait(STOP_SECONDS)
        os.close(self.log)

    def output(self) -> str:
        """What the server wrote so far."""
        return os.pread(self.log, os.fstat(self.log).st_size, 0).decode(errors="replace")

    def alive(self) -> bool:
        """Whether anything of the server is left."""
        return bool(processes.descendants(processes.read_table(), self.holder.pid))

    def wait_until_ready(self) -> None:
        """Until it answers as expected; NotStarted with its last words when it exits or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        problem = "it does not listen"
        while time.monotonic() < deadline:
            try:
                answers.check(self.plan.port, self.plan.path, self.plan.expected)
                return
            except answers.WrongAnswer as wrong:
                problem = str(wrong)
            except (OSError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
            if "bench: server exited" in self.output():
                break
            time.sleep(0.05)
        raise NotStarted(f"{problem}; {last_words(self.output())}")

    def wait_until_quiet(self) -> None:
        """Until the other workers have started too: nothing below the holder used CPU for a moment."""
        deadline = time.monotonic() + START_SECONDS
        before = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(QUIET_SECONDS)
            now = self.cpu_seconds()
            if now - before <= 1 / processes.TICKS:
                return
            before = now
        raise NotStarted(f"it was still busy {START_SECONDS:.0f} s after its first answer")

    def cpu_seconds(self) -> float:
        """CPU time of the whole tree so far, the dead included."""
        return processes.tree_cpu_seconds(self.holder.pid)

    def pss_mib(self) -> float:
        """Memory of the whole tree now."""
        return processes.tree_pss_kib(self.holder.pid) / 1024


def last_words(output: str) -> str:
    """The end of a server's output, on one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-3:]) or "it wrote nothing"
