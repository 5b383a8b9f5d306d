"""A server that runs: started under a holder, waited for until it is ready and quiet, and ended.

Callers need `Running`, a context manager, and `Plan`, what it starts. It touches no process but its own holder.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from harness import answers, processes
from harness.answers import HOST, Answer, Expected, Request
from harness.holder import Order
from harness.load import on_cpus

BENCH = Path(__file__).parent.parent
APPS = BENCH / "apps"
START_SECONDS = 20.0
POLL_SECONDS = 0.002
QUIET_SECONDS = 0.3
GRACE_SECONDS = 5.0
STOP_SECONDS = 15.0
STARTED = re.compile(r"^bench: server started at ([0-9.]+) as ([0-9]+)$", re.MULTILINE)
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class NotStarted(Exception):
    """A server did not come up; the message says why as far as it said so itself."""


@dataclass(frozen=True)
class Plan:
    """What to start and when it counts as ready. `site` is for Speyside only, which runs outside the peers'
    environment and must find the applications' packages in it."""

    name: str
    command: list[str]
    request: Request
    expected: Expected
    port: int
    cpus: frozenset[int]
    site: str | None = None
    keep_alive: bool = True
    together: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> Answer:
        """Whether it answers as expected now."""
        answer = answers.check(self.port, self.request, self.expected, self.keep_alive)
        if self.together > 1:
            answers.check_together(self.port, self.request, self.expected, self.together)
        return answer


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
        self.first_answer_seconds: float | None = None
        order = Order(
            command=on_cpus(plan.cpus, plan.command),
            directory=str(APPS),
            environment=environment(plan.site) | dict(plan.variables),
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
                self.first_answer(deadline)
                self.plan.check()
                return
            except answers.WrongAnswer as wrong:
                problem = str(wrong)
            except (OSError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
            if "bench: server exited" in self.output():
                break
            time.sleep(POLL_SECONDS)
        raise NotStarted(f"{problem}; {last_words(self.output())}")

    def first_answer(self, deadline: float) -> None:
        """Note when the first right answer came, counted from when the holder started the server. A request that is
        accepted and not answered waits here, as a user's does, until the server has started."""
        if self.first_answer_seconds is not None:
            return
        connection = http.client.HTTPConnection(HOST, self.plan.port, timeout=max(0.1, deadline - time.monotonic()))
        try:
            answer = answers.ask(connection, self.plan.request)
        finally:
            connection.close()
        now, started = time.monotonic(), STARTED.search(self.output())
        wrong = answers.difference(answer, self.plan.expected)
        if wrong:
            raise answers.WrongAnswer(wrong)
        if started:
            self.first_answer_seconds = now - float(started.group(1))

    def reload(self) -> None:
        """Tell the server to load its application again: SIGHUP to the process that was started."""
        started = STARTED.search(self.output())
        if not started:
            raise RuntimeError("the holder did not say which process is the server")
        os.kill(int(started.group(2)), signal.SIGHUP)

    def workers(self) -> frozenset[int]:
        """The processes of the server now."""
        return frozenset(p.pid for p in processes.descendants(processes.read_table(), self.holder.pid))

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
    """The end of a server's own output, on one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not STARTED.match(line)]
    return " | ".join(lines[-3:]) or "it wrote nothing"
