"""Loads for latency: requests at a fixed rate, alone or beside slow clients.

Callers need `Paced` and `Beside`, both a `Load`. wrk sends the next request when the last one is answered, so a server
that stalls is asked less while it stalls, and the wait of those who would have come is in no figure. Here each request
has its turn, and its latency counts from that. The generator is `openload/`, built with the Go that Speyside needs too.
"""

from __future__ import annotations

import atexit
import json
import resource
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from harness.answers import Expected
from harness.load import TIMEOUT_SECONDS, LoadFailed, LoadResult, Wrk, on_cpus

SOURCE = Path(__file__).parent / "openload"


@cache
def generator() -> str:
    """The generator's program, built once per run; its directory goes when the run ends."""
    directory = tempfile.mkdtemp(prefix="speyside-bench-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    program = f"{directory}/openload"
    try:
        done = subprocess.run(
            ["go", "build", "-o", program, "."], cwd=SOURCE, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise LoadFailed("this scenario's load generator is built with Go, and there is no go in PATH") from error
    if done.returncode:
        raise LoadFailed(f"the load generator could not be built: {done.stderr.strip()[-200:]}")
    return program


def parse(output: str) -> LoadResult:
    """The object that the generator prints. A request that was due and is not answered is an error."""
    try:
        said = json.loads(output)
        errors = {str(kind): int(count) for kind, count in said["errors"].items() if count}
        if said["missing"]:
            errors["missing"] = int(said["missing"])
        return LoadResult(
            requests=int(said["requests"]),
            seconds=said["duration_us"] / 1e6,
            bytes=int(said["bytes"]),
            p50_us=float(said["p50_us"]),
            p99_us=float(said["p99_us"]),
            errors=errors,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoadFailed(f"the load generator's result is not understood: {output.strip()[-200:]!r}") from error


@dataclass(frozen=True)
class Paced:
    """Keep-alive connections that send `rate` GET requests a second between them, in turn."""

    rate: int
    connections: int
    path: str = "/"
    measures_speed: bool = True

    def command(self, port: int, seconds: int) -> list[str]:
        words = [generator(), f"-port={port}", f"-path={self.path}", f"-connections={self.connections}"]
        return [*words, f"-rate={self.rate}", f"-duration={seconds}s", f"-patience={TIMEOUT_SECONDS}s"]

    def run(self, port: int, expected: Expected, seconds: int, cpus: frozenset[int]) -> LoadResult:
        command = on_cpus(cpus, self.command(port, seconds))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 30)
        except subprocess.TimeoutExpired as error:
            raise LoadFailed(f"a load of {seconds} s was not answered after {seconds + 30} s") from error
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise LoadFailed(f"the load generator exited with {done.returncode}: {done.stderr.strip()[-200:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return replace(parse(done.stdout), cpu_seconds=cpu)


@dataclass(frozen=True)
class Beside:
    """Fast requests at a fixed rate while slow clients send theirs one after another. The figures are the fast ones';
    of the slow clients it is counted how much they got done, because a server could serve the fast at their expense."""

    fast: Paced
    slow: Wrk
    measures_speed: bool = True

    @property
    def path(self) -> str:
        return self.fast.path

    def run(self, port: int, expected: Expected, seconds: int, cpus: frozenset[int]) -> LoadResult:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(self.slow.run, port, expected, seconds, cpus)
            fast = self.fast.run(port, expected, seconds, cpus)
            slow = beside.result()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        errors = dict(fast.errors) | {f"slow {kind}": count for kind, count in slow.errors.items()}
        if not slow.requests:
            errors["slow nothing"] = 1
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return replace(fast, errors=errors, cpu_seconds=cpu, slow_per_second=slow.requests / slow.seconds)
