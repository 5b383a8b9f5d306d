"""The load of a scenario: wrk for speed, a counted number of requests for memory.

Callers need `Wrk` and `Counted`, both a `Load`. Load goes to the loopback address only and ends by itself.
"""

from __future__ import annotations

import http.client
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness import answers
from harness.answers import HOST, Expected

SCRIPT = Path(__file__).parent / "wrk.lua"
TIMEOUT_SECONDS = 5
ERRORS = ("connect", "read", "write", "status", "timeout")


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


class LoadFailed(Exception):
    """The load generator did not do its work, which says nothing about the server."""


class Load(Protocol):
    """Anything that can load a server on a port of the loopback address."""

    @property
    def path(self) -> str: ...

    @property
    def measures_speed(self) -> bool: ...

    def run(self, port: int, expected: Expected, seconds: int, cpus: frozenset[int]) -> LoadResult: ...


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
    """Keep-alive connections that send the same request as fast as they are answered, for some seconds."""

    connections: int = 64
    threads: int = 1
    path: str = "/"
    method: str = "GET"
    body_bytes: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    measures_speed: bool = True

    def command(self, port: int, seconds: int) -> list[str]:
        words = ["wrk", f"-t{self.threads}", f"-c{self.connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_SECONDS}s"]
        words += [f"--script={SCRIPT}"]
        words += [f"--header={name}: {value}" for name, value in self.headers.items()]
        return [*words, f"http://{HOST}:{port}{self.path}", "--", self.method, str(self.body_bytes)]

    def run(self, port: int, expected: Expected, seconds: int, cpus: frozenset[int]) -> LoadResult:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            on_cpus(cpus, self.command(port, seconds)),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 30,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise LoadFailed(f"wrk exited with {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")
        result = parse_wrk(done.stdout)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return LoadResult(
            result.requests, result.seconds, result.bytes, result.p50_us, result.p99_us, result.errors, cpu
        )


@dataclass(frozen=True)
class Counted:
    """A fixed number of GET requests, several at a time, each answer checked; a new connection every few requests,
    so that all workers get some. Too slow a client to say anything about speed."""

    requests: int = 1000
    concurrency: int = 20
    per_connection: int = 5
    path: str = "/"
    worker_header: str | None = None
    measures_speed: bool = False

    def run(self, port: int, expected: Expected, seconds: int, cpus: frozenset[int]) -> LoadResult:
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
                answer = answers.get(connection, self.path)
                wrong = answers.difference(answer, expected)
                if wrong:
                    raise answers.WrongAnswer(wrong)
                size += len(answer.body)
                if self.worker_header:
                    workers.add(answer.headers.get(self.worker_header.lower(), ""))
        finally:
            connection.close()
        return workers, size


def wrk_version() -> str | None:
    """wrk's first line about itself; None when it is not installed."""
    if not shutil.which("wrk"):
        return None
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return said.partition(" Copyright")[0].strip()
