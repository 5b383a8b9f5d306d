"""Loads of our own generator: requests at a fixed rate, at several, as fast as answered, or beside slow clients.

Callers need `Paced`, `Rates`, `Closed` and `Beside`, each a `Load`. wrk sends the next request when the last one
is answered, so a server
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

from harness.answers import Expected, Request
from harness.load import TIMEOUT_SECONDS, Load, LoadFailed, LoadResult, Point, on_cpus

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
            late_p99_us=float(said["late_p99_us"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoadFailed(f"the load generator's result is not understood: {output.strip()[-200:]!r}") from error


def generate(
    options: list[str], load: Load, port: int, expected: Expected, seconds: float, cpus: frozenset[int]
) -> LoadResult:
    """Run the generator on some CPUs; every answer's status and body is checked."""
    words = [generator(), f"-port={port}", f"-duration={seconds}s", f"-patience={TIMEOUT_SECONDS}s"]
    words += [f"-size={expected.size}", f"-crc={expected.crc}", *options]
    limit = seconds + 60
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            on_cpus(cpus, words), input=load.request.raw(port), capture_output=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"a load of {seconds} s was not answered after {limit:.0f} s") from error
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise LoadFailed(f"the load generator exited with {done.returncode}: {done.stderr.decode().strip()[-200:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return replace(parse(done.stdout.decode()), cpu_seconds=cpu)


@dataclass(frozen=True)
class Paced:
    """Connections that send `rate` requests a second between them, in turn; `idle` more are open and send nothing.
    With `fresh`, each request has a connection of its own."""

    rate: int
    connections: int
    request: Request = Request()
    idle: int = 0
    fresh: bool = False

    @property
    def measures_speed(self) -> bool:
        """Opening the idle ones takes CPU that belongs to no request."""
        return not self.idle

    def run(self, port: int, expected: Expected, seconds: float, cpus: frozenset[int]) -> LoadResult:
        options = [f"-rate={self.rate}", f"-connections={self.connections}", f"-idle={self.idle}"]
        return generate([*options, f"-fresh={self.fresh}".lower()], self, port, expected, seconds, cpus)


@dataclass(frozen=True)
class Rates:
    """One rate after the other, the seconds shared among them; the figures are those of the middle rate, and what was
    seen at each makes the curve."""

    rates: tuple[int, ...]
    connections: int
    request: Request = Request()
    measures_speed: bool = False

    def run(self, port: int, expected: Expected, seconds: float, cpus: frozenset[int]) -> LoadResult:
        part = seconds / len(self.rates)
        seen = [Paced(rate, self.connections, self.request).run(port, expected, part, cpus) for rate in self.rates]
        pairs = list(zip(self.rates, seen, strict=True))
        middle = seen[len(seen) // 2]
        return replace(
            middle,
            seconds=sum(one.seconds for one in seen),
            cpu_seconds=sum(one.cpu_seconds for one in seen),
            errors={f"{kind} at {rate}/s": n for rate, one in pairs for kind, n in one.errors.items()},
            curve=tuple(Point(rate, one.p50_us or 0, one.p99_us or 0) for rate, one in pairs),
        )


@dataclass(frozen=True)
class Closed:
    """Connections that send when they have their answer, for what wrk cannot do: check each body, end after so many
    `requests`, send a body slowly (`trickle` bytes a second)."""

    connections: int
    request: Request = Request()
    requests: int = 0
    trickle: int = 0
    measures_speed: bool = True

    def run(self, port: int, expected: Expected, seconds: float, cpus: frozenset[int]) -> LoadResult:
        options = [f"-connections={self.connections}", f"-requests={self.requests}", f"-trickle={self.trickle}"]
        return generate(options, self, port, expected, seconds, cpus)


@dataclass(frozen=True)
class Beside:
    """Fast requests at a fixed rate while slow clients send theirs one after another. The figures are the fast ones';
    of the slow clients it is counted how much they got done, because a server could serve the fast at their expense."""

    fast: Paced
    slow: Load
    measures_speed: bool = True

    @property
    def request(self) -> Request:
        return self.fast.request

    def run(self, port: int, expected: Expected, seconds: float, cpus: frozenset[int]) -> LoadResult:
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
