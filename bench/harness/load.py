"""The load of a scenario: wrk for speed, a counted number of requests for memory, none for the time to start.

Callers need `Wrk`, `Counted` and `OneAnswer`, each a `Load`. Load goes to the loopback address only and ends by itself.
"""

from __future__ import annotations

import http.client
import math
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from harness import answers
from harness.answers import HOST, Expected, Request

SCRIPT = Path(__file__).parent / "wrk.lua"
TIMEOUT_SECONDS = 5
ERRORS = ("connect", "read", "write", "status", "timeout")


@dataclass(frozen=True)
class Point:
    """Latency at one rate."""

    rate: int
    p50_us: float
    p99_us: float


@dataclass(frozen=True)
class LoadResult:
    """What the load generator saw. Latencies are None where the generator is too slow to say."""

    requests: int
    seconds: float
    bytes: int
    p50_us: float | None = None
    p99_us: float | None = None
    errors: Mapping[str, int] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    workers_seen: int | None = None
    slow_per_second: float | None = None  # what clients beside the measured ones got done
    late_p99_us: float | None = None  # of the load generator itself
    curve: tuple[Point, ...] = ()


class LoadFailed(Exception):
    """The load generator did not do its work, which says nothing about the server."""


class Load(Protocol):
    """Anything that can load a server on a port of the loopback address."""

    @property
    def request(self) -> Request: ...

    @property
    def measures_speed(self) -> bool: ...

    def run(self, port: int, expected: Expected, seconds: float, cpus: frozenset[int]) -> LoadResult: ...


def on_cpus(cpus: frozenset[int], command: list[str]) -> list[str]:
    """The command on these CPUs only; taskset becomes the program that it starts, so there is no process more."""
    return ["taskset", "--cpu-list", ",".join(str(cpu) for cpu in sorted(cpus)), *command]


def parse_wrk(output: str) -> LoadResult:
    """The line that wrk.lua prints at the end of a run."""
    lines = [line for line in output.splitlines() if line.startswith("bench ")]
    if len(lines) != 1:
        raise LoadFailed(f"wrk printed {len(lines)} result lines: {output.strip()[-200:]!r}")
    try:
        numbers = {name: int(value) for name, _, value in (word.partition("=") for word in lines[0].split()[1:])}
        return LoadResult(
            requests=numbers["requests"],
            seconds=numbers["duration_us"] / 1e6,
            bytes=numbers["bytes"],
            p50_us=numbers["p50_us"],
            p99_us=numbers["p99_us"],
            errors={name: numbers[name] for name in ERRORS if numbers[name]},
        )
    except (KeyError, ValueError) as error:
        raise LoadFailed(f"wrk's result line is not understood: {lines[0]!r}") from error


@dataclass(frozen=True)
class Wrk:
    """Connections that send the same request as fast as they are answered, `pipeline` of them at once. wrk knows whole
    seconds only: a fraction is rounded up."""

    connections: int = 64
    request: Request = Request()
    pipeline: int = 1
    measures_speed: bool = True

    def command(self, port: int, seconds: float, body: str) -> list[str]:
        words = ["wrk", "-t1", f"-c{self.connections}", f"-d{math.ceil(seconds)}s", f"--timeout={TIMEOUT_SECONDS}s"]
        words += [f"--script={SCRIPT}"]
        words += [f"--header={name}: {value}" for name, value in self.request.headers.items()]
        url = f"http://{HOST}:{port}{self.request.path}"
        return [*words, url, "--", self.request.method, body, str(self.pipeline)]

    def run(self, port: int, expected: Expected, seconds: float, cpus: frozenset[int]) -> LoadResult:
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.request.body)
            file.flush()
            words = self.command(port, seconds, file.name if self.request.body else "-")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                on_cpus(cpus, words), capture_output=True, text=True, check=False, timeout=seconds + 30
            )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise LoadFailed(f"wrk exited with {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        result = replace(parse_wrk(done.stdout), cpu_seconds=cpu)
        # Of requests sent together wrk times only some.
        return replace(result, p50_us=None, p99_us=None) if self.pipeline > 1 else result


@dataclass(frozen=True)
class Counted:
    """A fixed number of GET requests, several at a time, each answer checked; a new connection every few requests,
    so that all workers get some. Too slow a client to say anything about speed."""

    requests: int = 1000
    concurrency: int = 20
    per_connection: int = 5
    request: Request = Request()
    worker_header: str | None = None
    measures_speed: bool = False

    def run(self, port: int, expected: Expected, seconds: float, cpus: frozenset[int]) -> LoadResult:
        batches = [self.per_connection] * (self.requests // self.per_connection)
        workers: set[str] = set()
        total = 0
        began, cpu = time.monotonic(), time.process_time()
        lock = threading.Lock()

        def batch(count: int) -> None:
            nonlocal total
            got, size = self.batch(port, expected, count)
            with lock:
                workers.update(got)
                total += size

        with ThreadPoolExecutor(self.concurrency) as pool:
            list(pool.map(batch, batches))
        seen = len(workers) if self.worker_header else None
        took, used = time.monotonic() - began, time.process_time() - cpu
        return LoadResult(sum(batches), took, total, cpu_seconds=used, workers_seen=seen)

    def batch(self, port: int, expected: Expected, count: int) -> tuple[set[str], int]:
        """Some requests on one connection: the workers that answered, and the bytes of the bodies."""
        workers: set[str] = set()
        size = 0
        connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
        try:
            for _ in range(count):
                answer = answers.ask(connection, self.request)
                wrong = answers.difference(answer, expected)
                if wrong:
                    raise answers.WrongAnswer(wrong)
                size += len(answer.body)
                if self.worker_header:
                    workers.add(answer.headers.get(self.worker_header.lower(), ""))
        finally:
            connection.close()
        return workers, size


@dataclass(frozen=True)
class OneAnswer:
    """A single request: what is measured is over by then."""

    request: Request = Request()
    measures_speed: bool = False

    def run(self, port: int, expected: Expected, seconds: float, cpus: frozenset[int]) -> LoadResult:
        began = time.monotonic()
        connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
        try:
            answer = answers.ask(connection, self.request)
        finally:
            connection.close()
        wrong = answers.difference(answer, expected)
        if wrong:
            raise answers.WrongAnswer(wrong)
        return LoadResult(1, time.monotonic() - began, len(answer.body))


def wrk_version() -> str | None:
    """wrk's first line about itself; None when it is not installed."""
    if not shutil.which("wrk"):
        return None
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return said.partition(" Copyright")[0].strip()
