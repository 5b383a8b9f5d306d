"""Running one scenario: every server in turn, several times over.

Callers need `compare` and the `Round` it yields. A round starts its server afresh, checks the answers, loads it,
reads what the tree used, checks again and ends it; whatever goes wrong makes that round a failed one, with the reason.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness import answers, processes
from harness.load import LoadFailed, LoadResult
from harness.metrics import CPU, P50, P99, PSS, RATE, SLOW
from harness.running import BENCH, NotStarted, Plan, Running, free_port
from scenarios.base import Scenario
from servers import Server

WARM_UP_SECONDS = 1


@dataclass(frozen=True)
class Round:
    """One server's turn. `values` is empty when it failed before anything was measured."""

    scenario: str
    server: str
    number: int
    failure: str | None
    values: dict[str, float] = field(default_factory=dict)
    requests: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    bytes_per_reply: float = 0.0
    other_cpus: float = 0.0
    workers_seen: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """What holds for the whole run."""

    rounds: int
    seconds: int
    words: dict[str, str]
    site: str


def split_cpus(pinned: bool) -> tuple[frozenset[int], frozenset[int]]:
    """CPUs of the server and of the load. Pinned: one, and the others; needs two."""
    every = frozenset(os.sched_getaffinity(0))
    if not pinned:
        return every, every
    if len(every) < 2:
        raise LoadFailed("this scenario is pinned and needs two CPUs, one for the server and one for the load")
    first = min(every)
    return frozenset([first]), every - {first}


def command(server: Server, scenario: Scenario, words: dict[str, str], port: int) -> list[str]:
    """The server's command line for this scenario; the scenario's own arguments come before the application."""
    filled = words | {
        "port": str(port),
        "workers": str(scenario.workers),
        "threads": str(scenario.threads),
        "slots": str(scenario.workers * scenario.threads),
        "app": scenario.app,
        "peers": str(BENCH / "peers"),
    }
    *options, app = server.command
    return [word.format_map(filled) for word in (*options, *scenario.extra.get(server.name, ()), app)]


def compare(scenario: Scenario, servers: list[Server], settings: Settings) -> Iterator[Round]:
    """A, B, C, A, B, C …: so that what disturbs the machine for a while disturbs all of them. A server that does not
    start the first time is not tried again."""
    absent: set[str] = set()
    for number in range(1, settings.rounds + 1):
        for server in servers:
            if server.name in absent:
                continue
            try:
                yield one_round(scenario, server, number, settings)
            except (NotStarted, LoadFailed) as error:
                absent.add(server.name)
                yield Round(scenario.name, server.name, number, f"not started: {error}")


def one_round(scenario: Scenario, server: Server, number: int, settings: Settings) -> Round:
    """One turn of one server. What keeps it from starting is raised; all later trouble is in the answer."""
    server_cpus, load_cpus = split_cpus(scenario.pinned)
    port = free_port()
    plan = Plan(
        name=server.name,
        command=command(server, scenario, settings.words, port),
        path=scenario.load.path,
        expected=scenario.expected,
        port=port,
        cpus=server_cpus,
        site=settings.site if server.distribution is None else None,
    )
    with Running(plan) as running:
        try:
            return measure(scenario, running, number, settings.seconds, load_cpus)
        except (OSError, http.client.HTTPException, RuntimeError, answers.WrongAnswer, LoadFailed) as error:
            return Round(scenario.name, server.name, number, f"{type(error).__name__}: {error}")


def measure(scenario: Scenario, running: Running, number: int, seconds: int, cpus: frozenset[int]) -> Round:
    """Check, warm up, load, read, check."""
    plan, load = running.plan, scenario.load
    answer = answers.check(plan.port, load.path, scenario.expected)
    if load.measures_speed:
        load.run(plan.port, scenario.expected, WARM_UP_SECONDS, cpus)
    cpu, busy, began = running.cpu_seconds(), processes.machine_busy_seconds(), time.monotonic()
    result = load.run(plan.port, scenario.expected, seconds, cpus)
    busy, took = processes.machine_busy_seconds() - busy, time.monotonic() - began
    cpu = running.cpu_seconds() - cpu
    pss = running.pss_mib()
    failure = trouble(result, scenario) or forgetful(running)
    try:
        answers.check(plan.port, load.path, scenario.expected)
    except (OSError, http.client.HTTPException, answers.WrongAnswer) as error:
        failure = failure or f"after the load: {error}"
    return Round(
        scenario=scenario.name,
        server=plan.name,
        number=number,
        failure=failure,
        values=figures(result, cpu, pss, load.measures_speed),
        requests=result.requests,
        errors=dict(result.errors),
        bytes_per_reply=result.bytes / max(1, result.requests),
        other_cpus=max(0.0, busy - cpu - result.cpu_seconds) / took,
        workers_seen=result.workers_seen,
        headers=dict(answer.headers),
    )


def figures(result: LoadResult, cpu: float, pss: float, speed: bool) -> dict[str, float]:
    """The round's figures by their metric's key; those of speed only where the load can tell."""
    values = {PSS.key: pss}
    if speed and result.requests:
        values[CPU.key] = cpu / result.requests * 1e6
        values[RATE.key] = result.requests / result.seconds
    if result.p50_us is not None and result.p99_us is not None:
        values[P50.key] = result.p50_us / 1000
        values[P99.key] = result.p99_us / 1000
    if result.slow_per_second is not None:
        values[SLOW.key] = result.slow_per_second
    return values


def trouble(result: LoadResult, scenario: Scenario) -> str | None:
    """Why a loaded round does not count."""
    if result.errors:
        return "the load saw " + ", ".join(f"{count} {kind} errors" for kind, count in result.errors.items())
    if not result.requests:
        return "no request was answered"
    if result.bytes < result.requests * len(scenario.expected.body):
        return f"{result.bytes} bytes for {result.requests} replies: some were too short"
    return None


def forgetful(running: Running) -> str | None:
    """Why the tree's CPU time cannot be known."""
    pids = processes.forgetful(running.holder.pid)
    return f"processes {pids} ignore SIGCHLD, so CPU of their dead children is lost" if pids else None
